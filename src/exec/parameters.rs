//! The operations on kernel parameters: arguments are read, the policy is asked, the permit is used.
#![forbid(unsafe_code)]

use crate::audit::record::Decision;
use crate::error::RequestError;
use crate::exec::output::Output;
use crate::exec::session::Session;
use crate::protocol::reply;
use crate::protocol::request::Request;
use crate::sysctl::action::ListSysctls;
use crate::sysctl::args;
use crate::wire::schema::{At, fields};

pub fn get(request: &Request<'_>, session: &mut Session, output: &mut Output) -> Result<(), RequestError> {
    let action = args::get(request.args, &At::Top)?;
    let target = action.name.clone().into_bytes();
    let permit = session.permit(request.row.name, action, || target, output)?;
    let value = session.parameters.get(permit)?;
    reply::ok(output.frames(), request.id, |w| w.binary(value));
    Ok(())
}

/// Every change is written down before it is made, with the value: a name has no blank, so that the first one ends it.
pub fn set(request: &Request<'_>, session: &mut Session, output: &mut Output) -> Result<(), RequestError> {
    let action = args::set(request.args, &At::Top)?;
    let target = format!("{} {}", action.name, action.value).into_bytes();
    let op = request.row.name;
    let permit = session.permit(op, action, || target.clone(), output)?;
    session.admit_change(op, || target.clone(), output)?;
    session.note(op, target.clone(), Decision::Granted, "sysctl.write", output)?;
    match session.parameters.set(permit) {
        Ok(changed) => {
            reply::ok(output.frames(), request.id, |w| changed.write(w));
            Ok(())
        }
        Err(error) => {
            session.note(op, target, Decision::Failed, &reply::summary(&error), output)?;
            Err(error)
        }
    }
}

pub fn list(request: &Request<'_>, session: &mut Session, output: &mut Output) -> Result<(), RequestError> {
    let [] = fields(request.args, &At::Top, [])?;
    let permit = session.permit(request.row.name, ListSysctls, Vec::new, output)?;
    let parameters = &mut session.parameters;
    reply::ok(output.frames(), request.id, |w| parameters.list(permit, w));
    Ok(())
}
