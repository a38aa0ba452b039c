//! Rules of a change: their sets first, then they themselves, at their place.
#![forbid(unsafe_code)]

use std::borrow::Cow;

use super::{Plan, fault};
use crate::error::{RequestError, Step, Why};
use crate::netlink::message::{APPEND, CREATE, ECHO, REPLACE};
use crate::nft::compile::{self, Anonymous, Fault};
use crate::nft::kernel::KExpr;
use crate::nft::model::{Place, Rule, TableRef};
use crate::nft::object::element::{self, Of};
use crate::nft::object::rule::{self, Beside, New};
use crate::nft::object::{Unfit, message, set};
use crate::nft::transport::dump::Dump;
use crate::nft::transport::kind;

/// What is done with the rule.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// Behind.
    Append(Place),
    /// Before.
    Insert(Place),
    /// Instead.
    Replace,
}

impl Plan<'_, '_> {
    pub(super) fn rule(&mut self, rule: &Rule, way: Way) -> Result<(), RequestError> {
        let compiled = compile::statements(&rule.statements, &self.world.scope(&rule.table));
        if let Some(e) = self.world.failure() {
            return Err(super::of_transport(&e));
        }
        let compile::Compiled { mut expressions, sets } = compiled.map_err(|f| self.fault(f))?;
        let first = self.ids;
        for anonymous in sets {
            self.anonymous(&rule.table, anonymous)?;
        }
        for expression in &mut expressions {
            number(expression, first);
        }
        let (beside, flags) = self.place(rule, way)?;
        let new = New {
            table: &rule.table.name,
            chain: &rule.chain,
            id: None,
            beside,
            expressions: &expressions,
            comment: rule.comment.as_deref(),
        };
        self.push(message::NEW_RULE, CREATE | ECHO | flags, &rule.table, |buffer| {
            rule::encode(&new, buffer)
        })?;
        let quiet = match way {
            Way::Replace => {
                self.rows.end();
                None
            }
            Way::Append(_) | Way::Insert(_) => {
                self.rows.rule(&rule.table, self.origins.len().saturating_sub(1))
            }
        };
        if let Some(message) = quiet {
            self.batch.without(message, ECHO);
        }
        Ok(())
    }

    /// A set that only this rule looks into. The kernel gives it a name when the rule comes.
    fn anonymous(&mut self, table: &TableRef, anonymous: Anonymous) -> Result<(), RequestError> {
        let Anonymous { set: mut header, elements } = anonymous;
        header.table = table.clone();
        self.ids = self.ids.saturating_add(1);
        let id = self.ids;
        self.push(message::NEW_SET, CREATE, table, |buffer| set::encode(&header, id, buffer))?;
        let of = Of { table: &table.name, set: &header.name, set_id: Some(id) };
        let mut elements = elements.into_iter().peekable();
        while elements.peek().is_some() {
            let mut unfit = None;
            let family = table.family.number();
            let pushed = self.batch.push(kind(message::NEW_ELEMENT), CREATE, family, |buffer| {
                unfit = element::encode(&of, &mut elements, buffer).err();
            });
            if let Some(Unfit(why)) = unfit {
                return Err(fault::unfit(self.commands, self.now, why));
            }
            pushed.map_err(|e| super::of_transport(&e))?;
            self.origins.push(self.now);
        }
        Ok(())
    }

    fn place(&mut self, rule: &Rule, way: Way) -> Result<(Beside, u16), RequestError> {
        let (place, flags) = match way {
            Way::Append(place) => (place, APPEND),
            Way::Insert(place) => (place, 0),
            Way::Replace => return Ok((Beside::Replace(rule.handle.unwrap_or(0)), REPLACE)),
        };
        let beside = match place {
            Place::Edge => Beside::Edge,
            Place::Handle(handle) => Beside::Handle(handle),
            Place::Index(index) => Beside::Handle(self.indexed(rule, index)?),
        };
        Ok((beside, flags))
    }

    /// The number of the rule at that index. The kernel knows no index, so that the rules of the chain are counted, once; the batch
    /// holds for the generation that they were counted in.
    fn indexed(&mut self, rule: &Rule, index: u32) -> Result<u64, RequestError> {
        let chain = (rule.table.clone(), rule.chain.clone());
        if !self.counted.contains_key(&chain) {
            let handles = self.handles(rule)?;
            self.counted.insert(chain.clone(), handles);
        }
        let handles = self.counted.get(&chain).map_or(&[][..], Vec::as_slice);
        let found = usize::try_from(index).ok().and_then(|index| handles.get(index));
        found.copied().ok_or_else(|| {
            let mut at = self.at_command();
            at.push(Step::Key("index"));
            let rules = u64::try_from(handles.len()).unwrap_or(u64::MAX);
            RequestError::BadRequest(at, Why::Range(0, rules.saturating_sub(1)))
        })
    }

    /// The numbers of a chain's rules, in their order.
    fn handles(&self, rule: &Rule) -> Result<Vec<u64>, RequestError> {
        let mut link = self.world.link();
        let asked = Dump::start(&mut link, kind(message::GET_RULE), rule.table.family.number(), |buffer| {
            buffer.put_text(1, &rule.table.name);
            buffer.put_text(2, &rule.chain);
        });
        let mut dump = asked.map_err(|e| super::of_transport(&e))?;
        let mut handles = Vec::new();
        while let Some(messages) = dump.next(&mut link).map_err(|e| super::of_transport(&e))? {
            handles.extend(messages.filter_map(|m| rule::decode(m.body)).map(|found| found.handle));
        }
        Ok(handles)
    }

    fn fault(&self, fault: Fault) -> RequestError {
        let mut at = self.at_command();
        at.push(Step::Key("expr"));
        at.extend(fault.path);
        RequestError::BadRequest(at, fault.why)
    }
}

/// Sets are counted from 0 in a rule and from 1 in a batch.
fn number(expression: &mut KExpr<'static>, first: u32) {
    let (set, id) = match expression {
        KExpr::Lookup { set, set_id, .. }
        | KExpr::Dynset { set, set_id, .. }
        | KExpr::ObjrefMap { set, set_id, .. } => (set, set_id),
        _ => return,
    };
    let anonymous = |name: &Cow<'_, [u8]>| matches!(name.as_ref(), b"__set%d" | b"__map%d");
    if let (true, Some(n)) = (anonymous(set), id.as_mut()) {
        *n = n.saturating_add(first).saturating_add(1);
    }
}
