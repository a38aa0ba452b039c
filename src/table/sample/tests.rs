#![forbid(unsafe_code)]

use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Thing(u32, u64);

impl Sampled for Thing {
    type Key = u32;

    fn key(&self) -> u32 {
        self.0
    }
}

/// Whoever counts what all readers keep must not run beside others that do.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[test]
fn rates_are_to_the_nearest_and_none_of_what_ran_backwards_or_took_no_time() {
    assert_eq!(per_second(Some(10), Some(13), 2_000_000), Some(2));
    assert_eq!(per_second(Some(10), Some(12), 2_000_000), Some(1));
    assert_eq!(per_second(Some(10), Some(11), 3_000_000), Some(0));
    assert_eq!(per_second(Some(10), Some(10), 1), Some(0));
    for (before, after, micros) in [
        (Some(10), Some(9), 1_000_000),
        (None, Some(9), 1_000_000),
        (Some(9), None, 1_000_000),
        (Some(0), Some(1), 0),
        (Some(0), Some(u64::MAX), 1),
    ] {
        assert_eq!(per_second(before, after, micros), None);
    }
    assert_eq!(ratio(u64::MAX, u64::MAX, u64::MAX), Some(u64::MAX));
    assert_eq!(ratio(1, 3, 2), Some(2));
}

#[test]
fn the_new_sample_meets_the_last_one_in_order() {
    let _alone = ALONE.lock().unwrap();
    let mut samples = Samples::default();
    samples.begin();
    for key in [1, 3, 4, 9] {
        assert_eq!((samples.gone_before(Some(key)), samples.take(key)), (None, None));
        samples.keep(Thing(key, 1));
    }
    assert_eq!(samples.gone_before(None), None, "nothing new is gone");
    samples.begin();
    let mut gone = Vec::new();
    let mut met = Vec::new();
    for key in [2, 4, 7] {
        gone.extend(std::iter::from_fn(|| samples.gone_before(Some(key))));
        met.extend(samples.take(key));
        samples.keep(Thing(key, 2));
    }
    gone.extend(std::iter::from_fn(|| samples.gone_before(None)));
    assert_eq!((gone, met), (vec![Thing(1, 1), Thing(3, 1), Thing(9, 1)], vec![Thing(4, 1)]));
    samples.begin();
    assert_eq!(samples.take(2), Some(Thing(2, 2)));
    assert!(!samples.left_out());
}

#[test]
fn one_reader_and_all_of_them_keep_no_more_than_their_room() {
    let _alone = ALONE.lock().unwrap();
    let size = size_of::<Thing>();
    let mut readers: Vec<Samples<Thing>> = Vec::new();
    let mut all = 0;
    // Eight at most have room for all that they may keep.
    for n in 0..12 {
        let mut samples = Samples::default();
        samples.begin();
        for key in 0..u32::try_from(SAMPLES_BYTES / size).unwrap() + 100_000 {
            samples.keep(Thing(key, 0));
        }
        let bytes = samples.ring.capacity() * size;
        assert!(bytes <= SAMPLES_BYTES, "{bytes}");
        assert!(n > 6 || bytes > SAMPLES_BYTES - GROWTH * size - 1, "reader {n} has {bytes}");
        all += bytes;
        samples.begin();
        assert!(samples.left_out());
        readers.push(samples);
    }
    assert!(all <= SAMPLES_ALL_BYTES && all > SAMPLES_ALL_BYTES - SAMPLES_BYTES, "{all}");
    drop(readers);
    assert_eq!(KEPT.load(Ordering::Relaxed), 0);
    let mut fresh = Samples::default();
    fresh.keep(Thing(1, 1));
    fresh.begin();
    assert_eq!(fresh.take(1), Some(Thing(1, 1)));
}

/// Samples numbers: those of 1 to 200, each time one more.
#[derive(Debug, Default)]
struct Counting {
    calls: u64,
    at: u64,
    open: bool,
}

impl Sampler<u64> for Counting {
    fn begin(&mut self, _: &mut Context<'_>) -> Result<(), RequestError> {
        (self.calls, self.at, self.open) = (self.calls + 1, 0, true);
        Ok(())
    }

    fn next(&mut self, context: &mut Context<'_>, tally: &mut Tally) -> Result<Option<u64>, RequestError> {
        assert!(self.open);
        self.at += 1;
        tally.vanished += 1;
        if self.at == 100 {
            context.later();
            return Ok(None);
        }
        Ok((self.at <= 200).then_some(self.at + 1000 * self.calls))
    }

    fn end(&mut self) {
        self.open = false;
    }
}

#[test]
fn the_second_sample_is_answered_and_waits_for_its_time() {
    let mut reader = Differences::of(Duration::from_millis(50), Counting::default());
    let (mut context, mut tally) = (Context::default(), Tally::default());
    let start = Instant::now();
    let (mut rows, mut pauses, mut waited) = (Vec::new(), 0, false);
    for round in 1..=2_u64 {
        loop {
            let row = reader.next(&mut context, &mut tally).unwrap();
            rows.extend(row);
            if row.is_none() {
                if !context.is_waiting() {
                    break;
                }
                pauses += 1;
                waited |= !Reader::<u64>::is_open(&reader);
                context = Context::default();
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        assert!(start.elapsed() >= Duration::from_millis(50 * round));
        assert_eq!((rows.len(), rows[0]), (199, 1001 + 1000 * round));
        // Nothing of the first sample counts; 201 calls of the second do.
        assert_eq!(tally.vanished, 201 * round);
        assert!(waited && pauses > 4 && !reader.sampler.open && !Reader::<u64>::is_open(&reader));
        rows.clear();
        assert!(Reader::<u64>::again(&mut reader));
    }
    assert!(!Reader::<u64>::again(&mut reader), "it has begun again already");
    assert!(reader.next(&mut context, &mut tally).unwrap().is_none() && context.is_waiting());
}
