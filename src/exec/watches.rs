//! The subscriptions of role `proc` to what happens: whose they are, what each may still be sent, and whose turn it is.
//!
//! Nothing is sent without credit. What could not be told of differences and thresholds shows in the next event; what processes did and
//! what became of interfaces meanwhile is counted as lost, and the event after that says that it is time to ask anew.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::error::RequestError;
use crate::exec::output::Output;
use crate::exec::periodic::Periodic;
use crate::exec::rows::Asked;
use crate::ids::RequestId;
use crate::limits::{CREDIT_MAX, EVENTS_INITIAL, EXITS_MAX, PERIODIC_OPEN_MAX, SLICE_MICROS};
use crate::protocol::reply;
use crate::sys::clock;
use crate::watch::exit::Exit;
use crate::watch::network::{self, Network};
use crate::watch::part::Part;
use crate::watch::pressure::Threshold;
use crate::watch::processes::{Came, Processes};
use crate::wire::atoms::{self, Atom};
use crate::wire::write::Writer;

/// What is watched.
#[derive(Debug)]
pub enum What {
    /// How the answer to a question changes.
    Query(Box<Periodic>),
    /// What processes do: of which kinds, and whether threads too.
    Processes {
        /// A bit for each kind.
        kinds: u32,
        /// Whether what threads do that are not the first of their process is told, too.
        threads: bool,
    },
    /// The end of one process.
    Exit(Exit),
    /// When something gets short.
    Pressure(Threshold),
    /// Changes of interfaces and so on.
    Network(network::Topic),
}

/// One subscription.
#[derive(Debug)]
struct Watch {
    id: RequestId,
    credit: u32,
    seq: u64,
    /// What it had no credit for, since it was told last.
    lost: u64,
    /// Something is missing in what it was told: it is to ask anew.
    resnapshot: bool,
    part: Part,
    what: What,
}

/// All of them, and the sockets that they share.
#[derive(Debug)]
pub struct Watches {
    all: VecDeque<Watch>,
    processes: Processes,
    network: Network,
}

impl Watches {
    /// With these sockets; nobody watches yet.
    pub fn over(processes: Processes, network: Network) -> Self {
        Self { all: VecDeque::new(), processes, network }
    }

    /// Without sockets.
    pub fn none() -> Self {
        Self::over(Processes::none(), Network::none())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether one has this id.
    pub fn has(&self, id: RequestId) -> bool {
        self.all.iter().any(|watch| watch.id == id)
    }

    /// How many wait for the end of a process.
    pub fn exits(&self) -> usize {
        self.all.iter().filter(|watch| matches!(watch.what, What::Exit(_))).count()
    }

    /// Begins one.
    pub fn begin(&mut self, id: RequestId, what: What) -> Result<(), RequestError> {
        if matches!(what, What::Exit(_)) && self.exits() >= EXITS_MAX {
            return Err(RequestError::Overloaded);
        }
        self.all.push_back(Watch {
            id,
            credit: EVENTS_INITIAL,
            seq: 0,
            lost: 0,
            resnapshot: false,
            part: Part::default(),
            what,
        });
        let begun = self.listen();
        if begun.is_err() {
            self.all.pop_back();
            // What others listen to goes on.
            let _ = self.listen();
        }
        begun
    }

    /// Ends one. `false`: there is none of that id.
    pub fn cancel(&mut self, id: RequestId) -> bool {
        let before = self.len();
        self.all.retain(|watch| watch.id != id);
        // A kernel that does not stop to tell is not listened to.
        let _ = self.listen();
        self.len() < before
    }

    /// Listens to all that somebody watches, and to nothing else.
    fn listen(&mut self) -> Result<(), RequestError> {
        let Self { all, processes, network } = self;
        let topics = |topic| all.iter().any(|watch| matches!(watch.what, What::Network(t) if t == topic));
        network.keep(topics);
        for topic in network::Topic::ALL.iter().filter(|topic| topics(**topic)) {
            network.join(*topic)?;
        }
        processes.tell(all.iter().fold(0, |sum, watch| match watch.what {
            What::Processes { kinds, .. } => sum | kinds,
            _ => sum,
        }))
    }

    /// Allows one more events, and says what it has missed.
    pub fn grant(&mut self, id: RequestId, events: u32, w: &mut Writer) {
        let Some(watch) = self.all.iter_mut().find(|watch| watch.id == id) else { return };
        watch.credit = watch.credit.saturating_add(events).min(CREDIT_MAX);
        watch.say_lost(w);
        watch.send_part(w);
    }

    /// The sockets on which something is waited for.
    pub fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let exits = self.all.iter().filter_map(|watch| match &watch.what {
            What::Exit(exit) => exit.fd(),
            _ => None,
        });
        exits.chain(self.processes.socket()).chain(self.network.socket())
    }

    /// Whether there is something to do at once: a slice of some question, or to say that something was lost.
    pub fn can_run(&self) -> bool {
        self.processes.is_behind() || self.network.is_behind() || self.next(Instant::now()).is_some()
    }

    /// When something is due.
    pub fn next_due(&self) -> Option<Instant> {
        let may = self.all.iter().filter(|watch| watch.credit > 0);
        let places = self.has_places();
        let due = may.filter_map(|watch| match &watch.what {
            // What cannot be opened is due when another has come to its end.
            What::Query(periodic) => (places || periodic.is_open()).then(|| periodic.due()),
            What::Pressure(threshold) => Some(threshold.due),
            What::Exit(exit) => exit.due(),
            What::Processes { .. } | What::Network(_) => None,
        });
        due.min()
    }

    /// What some of them wait for may have come.
    pub fn wake(&mut self) {
        for watch in &mut self.all {
            if let What::Query(periodic) = &mut watch.what {
                periodic.wake();
            }
        }
    }

    /// Everything that is due.
    pub fn turn(&mut self, asked: Asked<'_>, output: &mut Output) {
        if self.is_empty() {
            return;
        }
        self.hear(output);
        self.look(output);
        self.ask(asked, output);
    }

    /// Takes what has come, for one slice at most of each kind.
    fn hear(&mut self, output: &mut Output) {
        if self.processes.socket().is_some() {
            let heard = self.hear_processes(output);
            self.end_if(heard, output, |what| matches!(what, What::Processes { .. }));
        }
        if self.network.socket().is_some() {
            let heard = self.hear_network(output);
            self.end_if(heard, output, |what| matches!(what, What::Network(_)));
        }
        self.all.iter_mut().for_each(|watch| watch.send_part(output.frames()));
    }

    fn hear_processes(&mut self, output: &mut Output) -> Result<(), RequestError> {
        let until = Instant::now() + Duration::from_micros(SLICE_MICROS);
        let behind = i128::from(clock::unix_micros()) * 1000 - i128::from(clock::monotonic_nanos());
        let Self { all, processes, .. } = self;
        loop {
            let came = processes.take(&mut |event| {
                for watch in all.iter_mut() {
                    let What::Processes { kinds, threads } = watch.what else { continue };
                    if event.kind() & kinds != 0 && (threads || !event.is_of_thread()) {
                        watch.put(output.frames(), |w| event.write(behind, w));
                    }
                }
            })?;
            match came {
                Came::Nothing => return Ok(()),
                Came::Message => {}
                Came::Overflow => {
                    let whose = |watch: &&mut Watch| matches!(watch.what, What::Processes { .. });
                    all.iter_mut().filter(whose).for_each(|watch| watch.miss(output.frames()));
                }
            }
            if output.is_full() || Instant::now() >= until {
                return Ok(());
            }
        }
    }

    fn hear_network(&mut self, output: &mut Output) -> Result<(), RequestError> {
        let until = Instant::now() + Duration::from_micros(SLICE_MICROS);
        let Self { all, network, .. } = self;
        loop {
            let came = network.take(&mut |topic, row| {
                for watch in all.iter_mut() {
                    if matches!(watch.what, What::Network(of) if of == topic) {
                        watch.put(output.frames(), |w| w.raw(row));
                    }
                }
            })?;
            match came {
                Came::Nothing => return Ok(()),
                Came::Message => {}
                Came::Overflow => {
                    let whose = |watch: &&mut Watch| matches!(watch.what, What::Network(_));
                    all.iter_mut().filter(whose).for_each(|watch| watch.miss(output.frames()));
                }
            }
            if output.is_full() || Instant::now() >= until {
                return Ok(());
            }
        }
    }

    /// Nothing more will come of some: all who listen are told why.
    fn end_if(
        &mut self,
        heard: Result<(), RequestError>,
        output: &mut Output,
        which: impl Fn(&What) -> bool,
    ) {
        let Err(error) = heard else { return };
        let ended = self.all.iter().filter(|watch| which(&watch.what));
        ended.for_each(|watch| reply::error(output.frames(), watch.id, &error));
        self.all.retain(|watch| !which(&watch.what));
        let _ = self.listen();
    }

    /// Looks at processes that may have ended, and at thresholds.
    fn look(&mut self, output: &mut Output) {
        let now = Instant::now();
        let w = output.frames();
        self.all.retain_mut(|watch| {
            let (id, seq) = (watch.id, watch.seq.saturating_add(1));
            match &mut watch.what {
                What::Exit(exit) => {
                    let Some(status) = exit.look(now) else { return true };
                    reply::event(w, id, seq, |w| exit.write(status, w));
                    reply::ok(w, id, |w| w.atom(atoms::OK));
                    false
                }
                What::Pressure(threshold) if watch.credit > 0 && threshold.due <= now => {
                    match threshold.sample(now) {
                        Ok(None) => true,
                        Ok(Some(value)) => {
                            watch.credit = watch.credit.saturating_sub(1);
                            watch.seq = seq;
                            reply::event(w, id, seq, |w| threshold.write(value, w));
                            true
                        }
                        Err(error) => {
                            reply::error(w, id, &error);
                            false
                        }
                    }
                }
                _ => true,
            }
        });
    }

    /// Whether one more question can be opened.
    fn has_places(&self) -> bool {
        let open = |watch: &&Watch| matches!(&watch.what, What::Query(periodic) if periodic.is_open());
        self.all.iter().filter(open).count() < PERIODIC_OPEN_MAX
    }

    /// Whose question goes on: the first that has credit and is open, or can be opened.
    fn next(&self, now: Instant) -> Option<usize> {
        let places = self.has_places();
        self.all.iter().position(|watch| match &watch.what {
            What::Query(periodic) => {
                watch.credit > 0 && periodic.can_run(now) && (places || periodic.is_open())
            }
            _ => false,
        })
    }

    /// One slice of one question.
    fn ask(&mut self, asked: Asked<'_>, output: &mut Output) {
        let Some(mut watch) = self.next(Instant::now()).and_then(|at| self.all.remove(at)) else { return };
        let What::Query(periodic) = &mut watch.what else { return };
        match periodic.run(asked) {
            Ok(ready) => {
                if ready {
                    watch.seq = watch.seq.saturating_add(1);
                    watch.credit = watch.credit.saturating_sub(1);
                    reply::event(output.frames(), watch.id, watch.seq, |w| periodic.write(w));
                }
                if watch.credit == 0 {
                    periodic.park();
                }
                self.all.push_back(watch);
            }
            Err(error) => reply::error(output.frames(), watch.id, &error),
        }
    }
}

impl Watch {
    /// The word for what its events are of.
    fn kind(&self) -> Atom {
        match self.what {
            What::Query(_) => atoms::QUERY,
            What::Processes { .. } => atoms::PROCESSES,
            What::Exit(_) => atoms::EXIT,
            What::Pressure(_) => atoms::PRESSURE,
            What::Network(topic) => topic.name(),
        }
    }

    /// Adds something to what is told next; without credit it is lost.
    fn put(&mut self, w: &mut Writer, write: impl FnOnce(&mut Writer)) {
        if self.credit == 0 {
            self.lost = self.lost.saturating_add(1);
            self.seq = self.seq.saturating_add(1);
            self.resnapshot = true;
            return;
        }
        self.part.push(write);
        if self.part.is_full() {
            self.send_part(w);
        }
    }

    /// The kernel has told something that nobody has heard. How much it was nobody knows.
    fn miss(&mut self, w: &mut Writer) {
        // What came before goes out before.
        self.send_part(w);
        self.lost = self.lost.saturating_add(1);
        self.seq = self.seq.saturating_add(1);
        self.resnapshot = true;
        self.say_lost(w);
    }

    fn say_lost(&mut self, w: &mut Writer) {
        if self.credit > 0 && self.lost > 0 {
            reply::lost(w, self.id, std::mem::take(&mut self.lost));
        }
    }

    /// Sends what was gathered, or that something is missing.
    fn send_part(&mut self, w: &mut Writer) {
        if self.credit == 0 || self.part.is_empty() && !self.resnapshot {
            return;
        }
        let kind = self.kind();
        let count = u64::try_from(self.part.len()).unwrap_or(u64::MAX);
        self.seq = self.seq.saturating_add(count);
        self.credit = self.credit.saturating_sub(1);
        let Self { part, resnapshot, .. } = self;
        reply::event(w, self.id, self.seq, |w| {
            w.map(3);
            w.atom(atoms::KIND);
            w.atom(kind);
            w.atom(atoms::RESNAPSHOT);
            w.bool(*resnapshot);
            w.atom(atoms::EVENTS);
            part.write(w);
        });
        self.part.clear();
        self.resnapshot = false;
    }
}
