//! Load for NTP servers, for `scripts/bench/serve` and the soak: many source addresses, open loop,
//! bounded in count and time. Only loopback and private addresses are ever a target.
//!
//! - `echo ADDR:PORT`: a bare echo of the same system calls as the server (recvmmsg, sendmmsg,
//!   IP_PKTINFO, IP_PMTUDISC_DO): what the kernel alone costs.
//! - `drain COUNT BURSTS SOURCES NAME=PID@ADDR:PORT…`: stops a server, fills its queue, lets it go
//!   on, and reads from its own CPU clock what an answer took; servers take turns.
//! - `rate ADDR:PORT PER_SECOND SECONDS SOURCES`: what is answered of an offered rate, and how soon.
#![allow(
    unsafe_code,
    clippy::multiple_unsafe_ops_per_block,
    clippy::needless_update,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a tool of the benchmarks, beside the program"
)]

use nix::libc;
use std::mem::zeroed;
use std::net::Ipv4Addr;
use std::net::SocketAddrV4;
use std::os::fd::AsRawFd;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;
use std::time::Duration;
use std::time::Instant;

const BATCH: usize = 32;
/// The first of the addresses that requests come from: `ip route add local 10.99.0.0/16 dev lo`.
const SOURCES: u32 = 0x0a63_0000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["echo", address] => echo(address.parse().unwrap()),
        ["drain", count, bursts, sources, servers @ ..] => drain(
            count.parse().unwrap(),
            bursts.parse().unwrap(),
            sources.parse().unwrap(),
            servers,
        ),
        ["rate", address, rate, seconds, sources] => {
            rate_of(
                address.parse().unwrap(),
                rate.parse().unwrap(),
                seconds.parse().unwrap(),
                sources.parse().unwrap(),
            );
        }
        _ => {
            println!("ntp_load echo | drain | rate: see the head of examples/ntp_load.rs");
            std::process::exit(64);
        }
    }
}

/// A datagram's memory.
#[repr(C, align(64))]
struct Slot {
    name: libc::sockaddr_in,
    control: [u64; 16],
    data: [u8; 128],
}

/// Batches in both directions on one socket.
struct Line {
    fd: OwnedFd,
    slots: Vec<Slot>,
    headers: Vec<libc::mmsghdr>,
    vectors: Vec<libc::iovec>,
}

impl Line {
    fn new(address: SocketAddrV4) -> Self {
        // SAFETY: the socket that the call makes is this process's own.
        let fd = unsafe {
            let raw = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
            assert!(raw >= 0, "no socket");
            OwnedFd::from_raw_fd(raw)
        };
        let set = |level, kind, value: i32| {
            let size = size_of::<i32>() as libc::socklen_t;
            // SAFETY: the value is an int that lives for the call.
            unsafe {
                libc::setsockopt(fd.as_raw_fd(), level, kind, (&raw const value).cast(), size)
            }
        };
        set(libc::IPPROTO_IP, libc::IP_PKTINFO, 1);
        set(
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            libc::IP_PMTUDISC_DO,
        );
        set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 16 << 20);
        set(libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, 4 << 20);
        let name = sockaddr(*address.ip(), address.port());
        let size = size_of_val(&name) as libc::socklen_t;
        // SAFETY: the name is a sockaddr_in of that size.
        let bound = unsafe { libc::bind(fd.as_raw_fd(), (&raw const name).cast(), size) };
        assert_eq!(bound, 0, "cannot bind {address}");
        // SAFETY: all of these are numbers and pointers; zero is a value of them.
        let (slots, headers, vectors) = unsafe {
            (
                (0..BATCH).map(|_| zeroed()).collect(),
                (0..BATCH).map(|_| zeroed()).collect(),
                (0..BATCH).map(|_| zeroed()).collect(),
            )
        };
        Self {
            fd,
            slots,
            headers,
            vectors,
        }
    }

    /// Points the headers at the slots, each with so many octets of data and of control messages.
    fn aim(&mut self, data: usize, control: usize) {
        for ((slot, header), vector) in self
            .slots
            .iter_mut()
            .zip(&mut self.headers)
            .zip(&mut self.vectors)
        {
            vector.iov_base = slot.data.as_mut_ptr().cast();
            vector.iov_len = data;
            let h = &mut header.msg_hdr;
            h.msg_name = (&raw mut slot.name).cast();
            h.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            h.msg_iov = vector;
            h.msg_iovlen = 1;
            h.msg_control = slot.control.as_mut_ptr().cast();
            h.msg_controllen = control as _;
        }
    }

    fn receive(&mut self, flags: i32) -> usize {
        self.aim(128, 128);
        // SAFETY: every header points at memory of this value, of the lengths it says.
        let count = unsafe {
            libc::recvmmsg(
                self.fd.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as u32,
                flags as _,
                std::ptr::null_mut(),
            )
        };
        usize::try_from(count).unwrap_or(0)
    }

    fn send(&mut self, count: usize) -> usize {
        // SAFETY: as in `receive`.
        let sent = unsafe {
            libc::sendmmsg(
                self.fd.as_raw_fd(),
                self.headers.as_mut_ptr(),
                count as u32,
                0,
            )
        };
        usize::try_from(sent).unwrap_or(0)
    }

    /// Sends requests `from..from + count` (at most a batch), each from the address that its number
    /// says.
    fn ask(&mut self, to: SocketAddrV4, from: u32, count: usize, sources: u32, start: Instant) {
        let control = size_of::<libc::cmsghdr>() + size_of::<libc::in_pktinfo>();
        self.aim(48, control.next_multiple_of(8));
        for (number, slot) in (from..).zip(self.slots.iter_mut().take(count)) {
            slot.name = sockaddr(*to.ip(), to.port());
            slot.data[..48].fill(0);
            slot.data[0] = 0x23;
            let stamp = start.elapsed().as_nanos() as u64 | 1 << 63;
            slot.data[40..48].copy_from_slice(&stamp.to_be_bytes());
            let source = SOURCES + 10 + number.wrapping_mul(2_654_435_761) % sources;
            let header = libc::cmsghdr {
                cmsg_len: control as _,
                cmsg_level: libc::IPPROTO_IP,
                cmsg_type: libc::IP_PKTINFO,
                ..unsafe_zero()
            };
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr {
                    s_addr: source.to_be(),
                },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            let place = slot.control.as_mut_ptr();
            // SAFETY: the control buffer is aligned and longer than both together.
            unsafe {
                place.cast::<libc::cmsghdr>().write(header);
                place.add(2).cast::<libc::in_pktinfo>().write(info);
            }
        }
        self.send(count);
    }

    /// When the request was sent that the reply in this slot answers, in nanoseconds.
    fn stamp(&self, slot: usize) -> u64 {
        let octets: [u8; 8] = self.slots[slot].data[24..32].try_into().unwrap();
        u64::from_be_bytes(octets) & !(1 << 63)
    }
}

fn unsafe_zero() -> libc::cmsghdr {
    // SAFETY: cmsghdr is numbers.
    unsafe { zeroed() }
}

fn sockaddr(ip: Ipv4Addr, port: u16) -> libc::sockaddr_in {
    assert!(
        ip.is_loopback() || ip.is_private() || ip.is_unspecified(),
        "{ip} is no address of this machine's"
    );
    // SAFETY: sockaddr_in is numbers.
    let mut name: libc::sockaddr_in = unsafe { zeroed() };
    name.sin_family = libc::AF_INET as libc::sa_family_t;
    name.sin_port = port.to_be();
    name.sin_addr.s_addr = u32::from(ip).to_be();
    name
}

/// Answers whatever comes with what came.
fn echo(address: SocketAddrV4) {
    let mut line = Line::new(address);
    loop {
        let count = line.receive(libc::MSG_WAITFORONE);
        for slot in 0..count {
            let length = line.headers[slot].msg_len as usize;
            let data = &mut line.slots[slot].data;
            data[0] = 0x24;
            data.copy_within(40..48, 24);
            line.vectors[slot].iov_len = length.min(128);
        }
        line.send(count);
    }
}

/// CPU time of all threads of a process, in nanoseconds (proc_pid_schedstat(5)).
fn cpu(pid: i32) -> u64 {
    let mut total = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let path = task.unwrap().path().join("schedstat");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        total += text
            .split_whitespace()
            .next()
            .map_or(0, |word| word.parse().unwrap_or(0));
    }
    total
}

fn signal(pid: i32, number: i32) {
    // SAFETY: a signal to a process that the caller named.
    unsafe { libc::kill(pid, number) };
}

fn drain(count: u32, bursts: usize, sources: u32, servers: &[&str]) {
    let count = count.min(20_000);
    let servers: Vec<(&str, i32, SocketAddrV4)> = servers
        .iter()
        .map(|word| {
            let (name, rest) = word.split_once('=').unwrap();
            let (pid, address) = rest.split_once('@').unwrap();
            (name, pid.parse().unwrap(), address.parse().unwrap())
        })
        .collect();
    let mut line = Line::new(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
    let start = Instant::now();
    let mut costs: Vec<Vec<f64>> = vec![Vec::new(); servers.len()];
    let mut next = 0;
    for round in 0..bursts.min(500) {
        for turn in 0..servers.len() {
            let which = (turn + round) % servers.len();
            let (_, pid, address) = servers[which];
            signal(pid, libc::SIGSTOP);
            std::thread::sleep(Duration::from_millis(2));
            let before = cpu(pid);
            let mut left = count;
            while left > 0 {
                let now = left.min(BATCH as u32);
                line.ask(address, next, now as usize, sources, start);
                next = next.wrapping_add(now);
                left -= now;
            }
            std::thread::sleep(Duration::from_millis(3));
            signal(pid, libc::SIGCONT);
            // On a busy machine the server may have to wait for its core: it is given time, and
            // what others still answer is not taken for its answers.
            let (mut answered, mut quiet) = (0, 0);
            while answered < count as usize && quiet < 500 {
                let got = line.receive(libc::MSG_DONTWAIT);
                answered += (0..got)
                    .filter(|&slot| line.slots[slot].name.sin_port == address.port().to_be())
                    .count();
                if got == 0 {
                    quiet += 1;
                    std::thread::sleep(Duration::from_millis(2));
                } else {
                    quiet = 0;
                }
            }
            // It goes to sleep after the last answer, and only then its time is complete.
            std::thread::sleep(Duration::from_millis(3));
            let took = cpu(pid) - before;
            let whole = answered == count as usize;
            costs[which].push(if whole {
                took as f64 / answered as f64
            } else {
                f64::NAN
            });
        }
    }
    let base = costs.first().cloned().unwrap_or_default();
    println!(
        "server               ns/answer p10   median   answers/CPU s   to the first, paired median"
    );
    for ((name, _, _), own) in servers.iter().zip(&costs) {
        let ratios = base.iter().zip(own).map(|(b, o)| o / b);
        let ratios: Vec<f64> = ratios.filter(|r| r.is_finite()).collect();
        let mut sorted: Vec<f64> = own.iter().copied().filter(|c| c.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| sorted.get((sorted.len() as f64 * part) as usize).copied();
        let (low, middle) = (at(0.1).unwrap_or(0.0), at(0.5).unwrap_or(0.0));
        println!(
            "{name:<20} {low:>13.0} {middle:>8.0} {:>15.0}   {:.3}",
            1e9 / middle,
            median(ratios)
        );
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}

fn rate_of(to: SocketAddrV4, per_second: u64, seconds: u64, sources: u32) {
    let seconds = seconds.min(60);
    let mut line = Line::new(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
    let start = Instant::now();
    let (mut sent, mut answered) = (0_u64, 0_u64);
    let mut latencies: Vec<u64> = Vec::new();
    let mut read = |line: &mut Line, answered: &mut u64| {
        let got = line.receive(libc::MSG_DONTWAIT);
        let now = start.elapsed().as_nanos() as u64;
        for slot in 0..got {
            *answered += 1;
            if answered.is_multiple_of(16) {
                latencies.push(now.saturating_sub(line.stamp(slot)));
            }
        }
        got
    };
    while start.elapsed() < Duration::from_secs(seconds) {
        let due = (start.elapsed().as_secs_f64() * per_second as f64) as u64;
        let now = due.saturating_sub(sent).min(BATCH as u64);
        if now > 0 {
            line.ask(to, sent as u32, now as usize, sources, start);
            sent += now;
        }
        read(&mut line, &mut answered);
    }
    let end = Instant::now() + Duration::from_millis(200);
    while Instant::now() < end && answered < sent {
        read(&mut line, &mut answered);
    }
    latencies.sort_unstable();
    let at = |part: f64| {
        let place = (latencies.len() as f64 * part) as usize;
        latencies.get(place).copied().unwrap_or(0) as f64 / 1e3
    };
    let lost = sent.saturating_sub(answered);
    println!(
        "offered {per_second}/s  sent {:.0}/s  answered {:.0}/s  lost {:.3} %  latency p50 {:.1} us  p99 {:.1} us",
        sent as f64 / seconds as f64,
        answered as f64 / seconds as f64,
        lost as f64 / sent.max(1) as f64 * 100.0,
        at(0.5),
        at(0.99)
    );
}
