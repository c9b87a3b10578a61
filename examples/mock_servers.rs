//! NTP servers that misbehave as told, on loopback: for the tests, the benches and for trying
//! clockbox where no server can be reached. Not for anything else: it serves this machine's own
//! clock and answers whoever asks.
//!
//! Each argument is a server: `ADDRESS:PORT[,WORD…]`. Words: `offset=S` (its clock is that far
//! ahead), `delay=S` (round trip), `jitter=S` (up to that much more, each way), `loss=P` (0 to 1),
//! `stratum=N`, `dispersion=S`, `leap=N`, `kiss=CODE`, `garbage`, `short`, `forged`, `mode=N`, `zero`, `twice`,
//! `silent`, `anchored` (its clock goes on from the start, whatever is done to this machine's), and `relay=ADDRESS:PORT` (a real server behind that delay and loss). It prints a line
//! when all are ready, and ends after `--seconds N` (default 600) or when standard input closes.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::panic,
    reason = "a program of its own, for tests"
)]

use clockbox::proto::packet::Leap;
use clockbox::proto::packet::Mode;
use clockbox::proto::packet::Packet;
use clockbox::proto::refid::RefId;
use clockbox::sys;
use clockbox::time::Monotonic;
use clockbox::time::NtpDuration;
use clockbox::time::NtpTimestamp;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsFd;

#[derive(Clone, Default)]
struct Spec {
    offset: f64,
    delay: f64,
    jitter: f64,
    loss: f64,
    stratum: u8,
    dispersion: f64,
    leap: u8,
    kiss: Option<[u8; 4]>,
    fault: Option<String>,
    mode: u8,
    relay: Option<SocketAddr>,
    /// Its clock goes on from the start of the program, whatever is done to this machine's.
    anchored: bool,
}

struct Server {
    socket: UdpSocket,
    spec: Spec,
}

/// Octets to send later: when, from which server's socket (or a relay's), to whom.
struct Later {
    at: Monotonic,
    from: usize,
    to: Option<SocketAddr>,
    bytes: Vec<u8>,
}

/// A relayed client: its own socket towards the real server.
struct Relayed {
    server: usize,
    client: SocketAddr,
    socket: UdpSocket,
}

fn parse(word: &str) -> (SocketAddr, Spec) {
    let mut parts = word.split(',');
    let address = parts
        .next()
        .unwrap()
        .parse()
        .unwrap_or_else(|e| panic!("{word}: {e}"));
    let mut spec = Spec {
        stratum: 2,
        mode: 4,
        dispersion: 0.001,
        ..Spec::default()
    };
    for part in parts.filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let number = || {
            value
                .parse::<f64>()
                .unwrap_or_else(|e| panic!("{part}: {e}"))
        };
        match key {
            "offset" => spec.offset = number(),
            "delay" => spec.delay = number(),
            "jitter" => spec.jitter = number(),
            "loss" => spec.loss = number(),
            "stratum" => spec.stratum = value.parse().unwrap(),
            "dispersion" => spec.dispersion = number(),
            "leap" => spec.leap = value.parse().unwrap(),
            "mode" => spec.mode = value.parse().unwrap(),
            "kiss" => spec.kiss = Some(value.as_bytes().try_into().unwrap()),
            "relay" => spec.relay = Some(value.parse().unwrap()),
            "anchored" => spec.anchored = true,
            fault => spec.fault = Some(fault.to_owned()),
        }
    }
    (address, spec)
}

/// 0 to 1.
fn chance() -> f64 {
    (sys::random::bits().unwrap() >> 11) as f64 / (1u64 << 53) as f64
}

fn answer(request: &[u8], spec: &Spec, arrived: NtpTimestamp) -> Vec<Vec<u8>> {
    let Ok(request) = Packet::decode(request) else {
        return Vec::new();
    };
    let seconds = NtpDuration::from_seconds;
    let there = arrived.plus(seconds(spec.offset));
    let mut reply = Packet {
        leap: Leap::from_bits(spec.leap),
        mode: Mode::from_bits(spec.mode),
        stratum: spec.stratum,
        precision: -24,
        root_delay: seconds(0.0),
        root_dispersion: seconds(spec.dispersion),
        refid: RefId([127, 127, 1, 1]),
        reference: there.plus(seconds(-1.0)),
        origin: request.transmit,
        receive: there,
        transmit: there,
        ..request
    };
    if let Some(code) = spec.kiss {
        (reply.stratum, reply.refid) = (0, RefId(code));
    }
    let bytes = match spec.fault.as_deref() {
        Some("silent") => return Vec::new(),
        Some("garbage") => {
            let n = (chance() * 1000.0) as usize;
            return vec![(0..n).map(|_| (chance() * 256.0) as u8).collect()];
        }
        Some("short") => reply.encode()[..47].to_vec(),
        Some("forged") => {
            reply.origin = NtpTimestamp::from_bits(reply.origin.to_bits() ^ 1);
            reply.encode().to_vec()
        }
        Some("zero") => {
            reply.transmit = NtpTimestamp::ZERO;
            reply.encode().to_vec()
        }
        Some("twice") => return vec![reply.encode().to_vec(), reply.encode().to_vec()],
        Some(other) => panic!("no such fault: {other}"),
        None => reply.encode().to_vec(),
    };
    vec![bytes]
}

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let mut seconds = 600.0;
    if words.first().is_some_and(|w| w == "--seconds") {
        seconds = words[1].parse().unwrap();
        words.drain(..2);
    }
    let mut servers = Vec::new();
    for word in &words {
        let (address, spec) = parse(word);
        let socket = UdpSocket::bind(address).unwrap_or_else(|e| panic!("{address}: {e}"));
        socket.set_nonblocking(true).unwrap();
        servers.push(Server { socket, spec });
    }
    let ready: Vec<String> = servers
        .iter()
        .map(|s| s.socket.local_addr().unwrap().to_string())
        .collect();
    println!("ready {}", ready.join(" "));
    serve(&servers, seconds);
}

/// Serves until the seconds are over or standard input closes.
fn serve(servers: &[Server], seconds: f64) {
    let start = sys::clock::monotonic();
    let anchor = (sys::clock::now(), sys::clock::monotonic_raw());
    let (mut later, mut relayed): (Vec<Later>, Vec<Relayed>) = (Vec::new(), Vec::new());
    let input = std::io::stdin();
    let mut buffer = [0; 4096];
    loop {
        let now = sys::clock::monotonic();
        if now.seconds_since(start) > seconds {
            return;
        }
        send_due(servers, &relayed, &mut later, now);
        let next = later.iter().map(|l| l.at).min();
        // poll(2) counts whole milliseconds: the last one of a delay is spent looking again.
        let wait = next
            .map_or(1000, |at| at.millis_from(now).saturating_sub(1))
            .min(1000);
        let mut fds = vec![input.as_fd()];
        fds.extend(servers.iter().map(|s| s.socket.as_fd()));
        fds.extend(relayed.iter().map(|r| r.socket.as_fd()));
        if sys::udp::wait(&fds, wait).unwrap().contains(&0) {
            // Standard input is closed or has been given a word: the end.
            return;
        }
        for (index, server) in servers.iter().enumerate() {
            while let Ok((n, client)) = server.socket.recv_from(&mut buffer) {
                let (now, spec) = (sys::clock::monotonic(), &server.spec);
                if chance() < spec.loss {
                    continue;
                }
                let out = spec.delay / 2.0 + chance() * spec.jitter;
                let back = spec.delay / 2.0 + chance() * spec.jitter;
                if let Some(real) = spec.relay {
                    let which = relay_for(&mut relayed, index, client, real);
                    let (at, bytes) = (now.plus_seconds(out), buffer[..n].to_vec());
                    later.push(Later {
                        at,
                        from: servers.len() + which,
                        to: None,
                        bytes,
                    });
                    continue;
                }
                let here = match spec.anchored {
                    true => anchor.0.plus(NtpDuration::from_seconds(
                        sys::clock::monotonic_raw().seconds_since(anchor.1),
                    )),
                    false => sys::clock::now(),
                };
                let arrived = here.plus(NtpDuration::from_seconds(out));
                for bytes in answer(&buffer[..n], spec, arrived) {
                    if chance() >= spec.loss {
                        let at = now.plus_seconds(out + back);
                        later.push(Later {
                            at,
                            from: index,
                            to: Some(client),
                            bytes,
                        });
                    }
                }
            }
        }
        for relay in &relayed {
            while let Ok(n) = relay.socket.recv(&mut buffer) {
                let spec = &servers[relay.server].spec;
                if chance() >= spec.loss {
                    let delay = spec.delay / 2.0 + chance() * spec.jitter;
                    let at = sys::clock::monotonic().plus_seconds(delay);
                    let to = Some(relay.client);
                    later.push(Later {
                        at,
                        from: relay.server,
                        to,
                        bytes: buffer[..n].to_vec(),
                    });
                }
            }
        }
    }
}

fn send_due(servers: &[Server], relayed: &[Relayed], later: &mut Vec<Later>, now: Monotonic) {
    later.retain(|packet| {
        if packet.at.seconds_since(now) > 0.0 {
            return true;
        }
        let _ = match packet.to {
            Some(client) => servers[packet.from].socket.send_to(&packet.bytes, client),
            None => relayed[packet.from - servers.len()]
                .socket
                .send(&packet.bytes),
        };
        false
    });
}

fn relay_for(
    relayed: &mut Vec<Relayed>,
    server: usize,
    client: SocketAddr,
    real: SocketAddr,
) -> usize {
    let known = relayed
        .iter()
        .position(|r| r.server == server && r.client == client);
    known.unwrap_or_else(|| {
        let any: SocketAddr = if real.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        }
        .parse()
        .unwrap();
        let socket = UdpSocket::bind(any).unwrap();
        socket.connect(real).unwrap();
        socket.set_nonblocking(true).unwrap();
        relayed.push(Relayed {
            server,
            client,
            socket,
        });
        relayed.len() - 1
    })
}
