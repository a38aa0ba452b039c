//! The boundary, attacked: by the application's user, who can send any frame and do to the port what a user can do to a
//! process of his own, and by somebody with code execution inside it. In the installed release nothing may get through.
//! In builds that leave out one measure something must, for each of them, or what stops it here would stop nothing.
//!
//! `found`, `found_policy` and `found_firewall` keep what got somewhere once.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by them"
)]

mod audit;
mod files;
mod firewall;
mod found;
mod found_firewall;
mod found_policy;
mod frames;
mod inside;
mod network;
mod parameters;
mod policy_file;
mod resources;
#[path = "../support/mod.rs"]
mod support;
mod user;
mod world;

use portcullis::measure::Measure;

use support::fixtures;
use world::{Outcome, World};

/// Who tries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attacker {
    /// Any frame, and whatever the application's uid allows.
    User,
    /// Code execution inside a role.
    Inside,
}

/// Something that must not succeed.
pub struct Attempt {
    attacker: Attacker,
    name: String,
    /// The measures of which each is enough to stop it and, left out, lets it through.
    stopped_by: Vec<Measure>,
    run: Box<dyn Fn(&World) -> Outcome>,
}

impl Attempt {
    fn user(
        name: impl Into<String>,
        stopped_by: &[Measure],
        run: impl Fn(&World) -> Outcome + 'static,
    ) -> Self {
        let (name, stopped_by) = (name.into(), stopped_by.to_vec());
        Self { attacker: Attacker::User, name, stopped_by, run: Box::new(run) }
    }

    fn inside(
        name: impl Into<String>,
        stopped_by: &[Measure],
        run: impl Fn(&World) -> Outcome + 'static,
    ) -> Self {
        Self { attacker: Attacker::Inside, ..Self::user(name, stopped_by, run) }
    }
}

fn attempts() -> Vec<Attempt> {
    let mut all = user::attempts();
    all.extend(policy_file::attempts());
    all.extend(frames::attempts());
    all.extend(files::attempts());
    all.extend(resources::attempts());
    all.extend(audit::attempts());
    all.extend(inside::attempts());
    all.extend(parameters::attempts());
    all.extend(firewall::attempts());
    all
}

#[test]
fn nothing_gets_through() {
    let Some(f) = fixtures() else { return };
    if !f.directory.join("weak").is_dir() {
        eprintln!("skipped: needs the builds of the attack suite; run sh scripts/test-all.sh");
        return;
    }
    let world = World::strong(f);
    let all = attempts();
    let mut through = Vec::new();
    for attempt in &all {
        if let Outcome::Through(what) = (attempt.run)(&world) {
            through.push(format!("{:?} {}: {what}", attempt.attacker, attempt.name));
        }
    }
    let by = |attacker| all.iter().filter(|a| a.attacker == attacker).count();
    let (user, inside) = (by(Attacker::User), by(Attacker::Inside));
    println!(
        "{} attempts: {user} by the application's user, {inside} from inside a role; {} got through",
        all.len(),
        through.len()
    );
    assert!(user >= 100 && inside >= 100);
    assert!(through.is_empty(), "{}", through.join("\n"));
}

#[test]
fn every_measure_is_missed_when_it_is_left_out() {
    let Some(f) = fixtures() else { return };
    if !f.directory.join("weak").is_dir() {
        eprintln!("skipped: needs the builds of the attack suite; run sh scripts/test-all.sh");
        return;
    }
    let all = attempts();
    let mut unmissed = Vec::new();
    for measure in Measure::ALL.iter().copied() {
        let world = World::weakened(fixtures().unwrap(), measure);
        let mut tried = all.iter().filter(|a| a.stopped_by.contains(&measure));
        let through = tried.find_map(|a| match (a.run)(&world) {
            Outcome::Through(what) => Some((&a.name, what)),
            Outcome::Stopped(_) => None,
        });
        match through {
            Some((name, what)) => {
                println!("without {}: {name}: {}", measure.name(), what.lines().next().unwrap_or(""))
            }
            None => unmissed.push(measure.name()),
        }
    }
    println!("{} measures, each left out once", Measure::ALL.len());
    assert!(unmissed.is_empty(), "nothing gets through without {}", unmissed.join(", "));
}
