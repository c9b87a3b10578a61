//! What is remembered of each client: how often it asks, what it may still ask for, and the times
//! of its last exchange for interleaved mode (RFC 9769). One table a worker, of a size fixed at the
//! start: eight records a bucket, and a new client takes the place of the one whose record says
//! least. A flood of invented addresses therefore costs the flood's own records: a client that was
//! forgotten begins with its whole burst, and one that asks too often is forgotten last.

use std::net::IpAddr;

/// How often a client may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Nanoseconds between requests on the long run.
    pub interval_ns: u64,
    /// Requests that may come at once.
    pub burst: u32,
    /// One in 2^leak requests over the limit is answered all the same, so that nobody can cut a
    /// client off by asking in its name; 0 for none.
    pub leak: u8,
    /// One in 2^kod requests over the limit is answered with a kiss; 0 for none.
    pub kod: u8,
}

impl RateLimit {
    /// From chrony.conf's numbers (ratelimit), none where it says nothing.
    #[must_use]
    pub fn new(
        interval: Option<i64>,
        burst: Option<i64>,
        leak: Option<i64>,
        kod: Option<i64>,
    ) -> Self {
        let bits = |n: Option<i64>, default| u8::try_from(n.unwrap_or(default).clamp(0, 4));
        Self {
            interval_ns: (f64::from(interval.unwrap_or(3).clamp(-19, 12) as i32).exp2() * 1e9)
                as u64,
            burst: u32::try_from(burst.unwrap_or(8).clamp(1, 255)).unwrap_or(8),
            leak: bits(leak, 2).unwrap_or(2),
            kod: bits(kod, 0).unwrap_or(0),
        }
    }
}

/// One client's record: a cache line.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Record {
    /// The address; an IPv4 one inside an IPv6 one. Zero in a record never used.
    address: u128,
    /// When the client will have used up nothing of its burst (the theoretical arrival time of the
    /// generic cell rate algorithm), on the undisciplined clock.
    free_ns: u64,
    last_ns: u64,
    /// Receive timestamp of the last exchange.
    receive: u64,
    /// When the reply to it left; 0 when that is not known.
    transmit: u64,
    hits: u32,
    dropped: u32,
    /// Mean of log2 of the seconds between requests, in 1/256; `i16::MAX` before the second.
    pace: i16,
}

/// A record as it is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// The client.
    pub address: IpAddr,
    /// Requests.
    pub hits: u32,
    /// Of those, not answered because they were too many.
    pub dropped: u32,
    /// Mean of log2 of the seconds between requests; none before the second.
    pub interval_log2: Option<f64>,
    /// Seconds since the last one.
    pub age: f64,
}

/// What the limit says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Within the limit.
    Within,
    /// Over it, and let through all the same.
    Leaked,
    /// Over it: a kiss.
    Kiss,
    /// Over it: silence.
    Drop,
}

/// The clients of one worker.
#[derive(Clone, Debug)]
pub struct Clients {
    records: Vec<Record>,
    /// Some bits of the hash of each record's address, 0 where there is none: a bucket's are
    /// together, so that a client is found by two lines of the cache.
    tags: Vec<[u16; WAYS]>,
    buckets: usize,
    seed: u64,
    limit: Option<RateLimit>,
    random: u64,
}

/// Records a bucket.
const WAYS: usize = 8;
/// Octets of a record.
pub const RECORD: usize = size_of::<Record>();

impl Clients {
    /// A table of at most so many octets (none: nothing is remembered, so nothing is limited). The
    /// seed keeps others from choosing addresses that meet in one bucket.
    #[must_use]
    pub fn new(octets: usize, limit: Option<RateLimit>, seed: u64) -> Self {
        let buckets = octets / ((RECORD + size_of::<u16>()) * WAYS);
        Self {
            records: vec![Record::default(); buckets * WAYS],
            tags: vec![[0; WAYS]; buckets],
            buckets,
            seed,
            limit,
            random: seed | 1,
        }
    }

    /// The limit is another from now on.
    pub const fn set_limit(&mut self, limit: Option<RateLimit>) {
        self.limit = limit;
    }

    /// Where the record of this address may be. Whoever has a whole batch of requests traces all of
    /// them, then [`Clients::warm`]s all of them at once, and only then notes them: so the memory is
    /// waited for twice a batch and not twice a request.
    #[must_use]
    pub fn trace(&self, address: IpAddr) -> Trace {
        let (bucket, tag) = self.bucket(key(address)).unwrap_or_default();
        Trace {
            at: usize::MAX,
            bucket,
            tag,
        }
    }

    /// Looks for the records that were traced. Each of these loops is short, and no reading in it
    /// depends on the one before: the processor waits for many at a time.
    pub fn warm(&self, traces: &mut [Trace]) {
        let touched = traces.iter().fold(0, |sum: u16, trace| {
            let tags = self.tags.get(trace.bucket).and_then(|tags| tags.first());
            sum.wrapping_add(tags.copied().unwrap_or_default())
        });
        std::hint::black_box(touched);
        for trace in traces.iter_mut() {
            let Some(tags) = self.tags.get(trace.bucket) else {
                return;
            };
            let mut ways = 0_u32;
            for (way, tag) in tags.iter().enumerate() {
                ways |= u32::from(*tag == trace.tag) << way;
            }
            trace.at = trace.bucket * WAYS + (ways.trailing_zeros() as usize) % WAYS;
        }
        let touched = traces.iter().fold(0, |sum: u32, trace| {
            let record = self.records.get(trace.at);
            sum.wrapping_add(record.map_or(0, |r| r.hits))
        });
        std::hint::black_box(touched);
    }

    /// Notes a request of this address now (on the undisciplined clock). Gives the place of its
    /// record, what the limit says, and whether another client's record was overwritten.
    pub fn note(&mut self, address: IpAddr, now_ns: u64) -> Noted {
        self.note_traced(&self.trace(address), address, now_ns)
    }

    /// As [`Clients::note`], of an address that was traced; others may have been noted since.
    pub fn note_traced(&mut self, trace: &Trace, address: IpAddr, now_ns: u64) -> Noted {
        if self.buckets == 0 {
            return Noted {
                place: Place(usize::MAX),
                verdict: Verdict::Within,
                forgot: false,
            };
        }
        let (address, Trace { at, bucket, tag }) = (key(address), *trace);
        let of_client = |r: &Record| r.hits > 0 && r.address == address;
        let traced = self.records.get(at).is_some_and(of_client).then_some(at);
        let (at, forgot) = match traced.or_else(|| self.known(bucket, tag, address)) {
            Some(at) => (at, false),
            None => self.replace(bucket, tag, address, now_ns),
        };
        let limit = self.limit;
        let Some(record) = self.records.get_mut(at) else {
            return Noted {
                place: Place(usize::MAX),
                verdict: Verdict::Within,
                forgot: false,
            };
        };
        if record.hits > 0 {
            pace(record, now_ns);
        }
        record.last_ns = now_ns;
        record.hits = record.hits.saturating_add(1);
        let over = limit.is_some_and(|l| !take(record, &l, now_ns));
        let verdict = match limit {
            Some(limit) if over => self.over(&limit, at),
            _ => Verdict::Within,
        };
        Noted {
            place: Place(at),
            verdict,
            forgot,
        }
    }

    fn over(&mut self, limit: &RateLimit, at: usize) -> Verdict {
        let random = self.random();
        let one_in = |bits: u8, random: u64| bits > 0 && random & ((1 << bits) - 1) == 0;
        if one_in(limit.leak, random) {
            return Verdict::Leaked;
        }
        if let Some(record) = self.records.get_mut(at) {
            record.dropped = record.dropped.saturating_add(1);
        }
        if one_in(limit.kod, random >> 8) {
            Verdict::Kiss
        } else {
            Verdict::Drop
        }
    }

    /// The times of the exchange that this timestamp names as its receive timestamp, when it is the
    /// client's last one: when the reply left.
    #[must_use]
    pub fn exchange(&self, place: Place, origin: u64) -> Option<u64> {
        let record = self.records.get(place.0)?;
        (origin != 0 && record.receive == origin).then_some(record.transmit)
    }

    /// Keeps the times of the exchange that is being answered; `transmit` is 0 when nobody will ask
    /// for it.
    pub fn keep(&mut self, place: Place, receive: u64, transmit: u64) {
        if let Some(record) = self.records.get_mut(place.0) {
            record.receive = receive;
            record.transmit = transmit;
        }
    }

    /// The kernel says when the reply really left.
    pub fn departed(&mut self, address: IpAddr, receive: u64, transmit: u64) {
        let address = key(address);
        let at = self
            .bucket(address)
            .and_then(|(bucket, tag)| self.known(bucket, tag, address));
        let Some(record) = at.and_then(|at| self.records.get_mut(at)) else {
            return;
        };
        if record.receive == receive && record.transmit != 0 {
            record.transmit = transmit;
        }
    }

    /// The clock was set: no time of an exchange before is worth anything.
    pub fn forget_exchanges(&mut self) {
        for record in &mut self.records {
            (record.receive, record.transmit) = (0, 0);
        }
    }

    /// Every client remembered.
    #[must_use]
    pub fn rows(&self, now_ns: u64) -> Vec<Row> {
        let used = self.records.iter().filter(|r| r.hits > 0);
        used.map(|r| Row {
            address: address(r.address),
            hits: r.hits,
            dropped: r.dropped,
            interval_log2: (r.pace != i16::MAX).then(|| f64::from(r.pace) / 256.0),
            age: now_ns.saturating_sub(r.last_ns) as f64 * 1e-9,
        })
        .collect()
    }

    /// Forgets everybody.
    pub fn clear(&mut self) {
        self.records.fill(Record::default());
        self.tags.fill([0; WAYS]);
    }

    /// Octets of the table.
    #[must_use]
    pub const fn octets(&self) -> usize {
        self.records.len() * (RECORD + size_of::<u16>())
    }

    /// The bucket of an address and its tag.
    fn bucket(&self, address: u128) -> Option<(usize, u16)> {
        let buckets = u64::try_from(self.buckets).ok().filter(|&b| b > 0)?;
        let mixed = mix(mix(self.seed ^ address as u64) ^ (address >> 64) as u64);
        let place = (u128::from(mixed) * u128::from(buckets)) >> 64;
        Some((place as usize, mixed as u16 | 1))
    }

    /// The record of an address, when there is one.
    fn known(&self, bucket: usize, tag: u16, address: u128) -> Option<usize> {
        let tags = self.tags.get(bucket)?;
        let ways = tags.iter().enumerate().filter(|(_, t)| **t == tag);
        ways.map_while(|(way, _)| {
            let at = bucket * WAYS + way;
            Some((at, self.records.get(at)?))
        })
        .find(|(_, record)| record.address == address)
        .map(|(at, _)| at)
    }

    /// A new record in place of an empty one, else of one that is no longer limited, the oldest of
    /// those, else of the one that is limited the least.
    fn replace(&mut self, bucket: usize, tag: u16, address: u128, now_ns: u64) -> (usize, bool) {
        let start = bucket * WAYS;
        let unused = self
            .tags
            .get(bucket)
            .and_then(|tags| tags.iter().position(|t| *t == 0));
        if let Some(way) = unused {
            return (self.fill(bucket, way, tag, address), false);
        }
        let records = self.records.get(start..start + WAYS).unwrap_or(&[]);
        let worth = |r: &Record| {
            if r.hits == 0 {
                return (0, 0);
            }
            let owed = r.free_ns.saturating_sub(now_ns);
            (owed + 1, r.last_ns)
        };
        let victim = records.iter().enumerate().min_by_key(|(_, r)| worth(r));
        let Some((way, record)) = victim else {
            return (usize::MAX, false);
        };
        let forgot = record.hits > 0;
        (self.fill(bucket, way, tag, address), forgot)
    }

    /// Begins a record.
    fn fill(&mut self, bucket: usize, way: usize, tag: u16, address: u128) -> usize {
        let at = bucket * WAYS + way;
        if let Some(record) = self.records.get_mut(at) {
            *record = Record {
                address,
                pace: i16::MAX,
                ..Record::default()
            };
        }
        if let Some(place) = self.tags.get_mut(bucket).and_then(|t| t.get_mut(way)) {
            *place = tag;
        }
        at
    }

    /// A generator that is good enough to throw a dice with (xorshift64*).
    const fn random(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }
}

/// Where a client's record may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    at: usize,
    bucket: usize,
    tag: u16,
}

/// Where a client's record is, until the next request is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(usize);

/// What came of noting a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The client's record.
    pub place: Place,
    /// What the limit says.
    pub verdict: Verdict,
    /// Whether another client's record had to go.
    pub forgot: bool,
}

/// Takes one request out of what the client may still ask for; false when there is none left.
fn take(record: &mut Record, limit: &RateLimit, now_ns: u64) -> bool {
    let free = record.free_ns.max(now_ns);
    let room = u64::from(limit.burst - 1).saturating_mul(limit.interval_ns);
    if free - now_ns > room {
        return false;
    }
    record.free_ns = free.saturating_add(limit.interval_ns);
    true
}

/// The mean interval between requests, over about the last eight.
fn pace(record: &mut Record, now_ns: u64) {
    let seconds = now_ns.saturating_sub(record.last_ns).max(1);
    // log2 by the position of the highest bit and a straight line between powers.
    let high = seconds.ilog2();
    let fraction = ((u128::from(seconds) << 8 >> high) as i32) - 256;
    let log2 = (high as i32 * 256 + fraction) - SECOND;
    let log2 = log2.clamp(-20 * 256, 30 * 256);
    let mean = if record.pace == i16::MAX {
        log2
    } else {
        let old = i32::from(record.pace);
        old + (log2 - old) / 8
    };
    record.pace = i16::try_from(mean).unwrap_or(0);
}

/// log2 of the nanoseconds in a second, in 1/256.
const SECOND: i32 = 7654;

const fn mix(x: u64) -> u64 {
    // The finaliser of SplitMix64.
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn key(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn address(key: u128) -> IpAddr {
    IpAddr::V6(key.into()).to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const SECOND_NS: u64 = 1_000_000_000;

    fn ip(n: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(n))
    }

    fn limit() -> RateLimit {
        RateLimit::new(Some(0), Some(4), Some(0), Some(0))
    }

    #[test]
    fn a_burst_is_answered_and_then_one_request_an_interval() {
        let mut clients = Clients::new(1 << 16, Some(limit()), 1);
        let mut ask = |at_ms: u64| clients.note(ip(1), at_ms * 1_000_000).verdict;
        for _ in 0..4 {
            assert_eq!(ask(10_000), Verdict::Within);
        }
        assert_eq!(ask(10_000), Verdict::Drop);
        assert_eq!(ask(10_900), Verdict::Drop);
        assert_eq!(ask(11_001), Verdict::Within);
        assert_eq!(ask(11_002), Verdict::Drop);
        for _ in 0..4 {
            assert_eq!(ask(20_000), Verdict::Within);
        }
    }

    #[test]
    fn some_requests_over_the_limit_leak_and_some_are_kissed() {
        let limit = RateLimit::new(Some(10), Some(1), Some(2), Some(1));
        let mut clients = Clients::new(1 << 16, Some(limit), 7);
        let mut seen = [0; 4];
        for _ in 0..4000 {
            let verdict = clients.note(ip(1), SECOND_NS).verdict;
            seen[verdict as usize] += 1;
        }
        assert_eq!(seen[0], 1);
        assert!((800..1200).contains(&seen[1]), "leaked {}", seen[1]);
        assert!((1300..1700).contains(&seen[2]), "kissed {}", seen[2]);
        let row = clients.rows(SECOND_NS)[0];
        assert_eq!((row.hits, row.dropped as usize), (4000, seen[2] + seen[3]));
    }

    #[test]
    fn a_flood_of_addresses_neither_grows_the_table_nor_frees_the_one_who_asks_too_often() {
        let mut clients = Clients::new(64 * 1024, Some(limit()), 3);
        let octets = clients.octets();
        for _ in 0..100 {
            clients.note(ip(1), SECOND_NS);
        }
        for n in 0..100_000 {
            clients.note(ip(0x0a00_0000 + n), SECOND_NS);
        }
        assert_eq!(clients.octets(), octets);
        assert!(clients.rows(SECOND_NS).len() <= octets / RECORD);
        assert_eq!(clients.note(ip(1), SECOND_NS).verdict, Verdict::Drop);
        // And whoever behaves is answered in the middle of it.
        assert_eq!(clients.note(ip(2), SECOND_NS).verdict, Verdict::Within);
    }

    #[test]
    fn the_last_exchange_is_known_by_its_receive_timestamp() {
        let mut clients = Clients::new(1 << 16, None, 3);
        let place = clients.note(ip(1), 1).place;
        clients.keep(place, 77, 88);
        assert_eq!(clients.exchange(place, 77), Some(88));
        assert_eq!(clients.exchange(place, 78), None);
        clients.departed(ip(1), 77, 99);
        assert_eq!(clients.exchange(place, 77), Some(99));
        assert_eq!(clients.exchange(place, 0), None);
    }

    #[test]
    fn the_mean_interval_is_in_powers_of_two_of_a_second() {
        let mut clients = Clients::new(1 << 16, None, 3);
        for n in 0..50 {
            clients.note(ip(1), (n + 1) * 16 * SECOND_NS);
        }
        let row = clients.rows(810 * SECOND_NS)[0];
        assert!((row.interval_log2.unwrap() - 4.0).abs() < 0.1, "{row:?}");
        assert!((row.age - 10.0).abs() < 1e-6);
    }

    #[test]
    fn without_a_table_everybody_is_within() {
        let mut clients = Clients::new(0, Some(limit()), 3);
        for _ in 0..100 {
            assert_eq!(clients.note(ip(1), 1).verdict, Verdict::Within);
        }
    }
}
