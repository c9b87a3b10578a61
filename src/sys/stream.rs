//! A message from a Unix stream socket: a length of eight octets, big-endian, then so many octets
//! (ntpd-rs's observation socket).

use super::clock;
use super::error::Error;
use super::udp;
use std::io;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Connects and reads one message of at most `max` octets, within `limit_s` seconds in all.
///
/// # Errors
/// When nobody is there, the message is longer, or it is not whole in time.
pub fn read_message(path: &Path, max: u64, limit_s: f64) -> Result<Vec<u8>, Error> {
    let failed = |e| Error::new("read from", path.display().to_string(), e);
    let deadline = clock::monotonic().plus_seconds(limit_s);
    let mut stream = UnixStream::connect(path).map_err(failed)?;
    stream.set_nonblocking(true).map_err(failed)?;
    let mut wanted = 8;
    let mut length = None;
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 << 10];
    while (bytes.len() as u64) < wanted {
        let now = clock::monotonic();
        if deadline <= now {
            return Err(failed(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no whole message within {limit_s} s"),
            )));
        }
        udp::wait(&[stream.as_fd()], deadline.millis_from(now))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Err(failed(io::Error::other("the message ends too early"))),
            Ok(n) => bytes.extend(buffer.get(..n).unwrap_or_default()),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
            Err(e) => return Err(failed(e)),
        }
        if length.is_none()
            && let Some(octets) = bytes.first_chunk::<8>()
        {
            let stated = u64::from_be_bytes(*octets);
            if stated > max {
                return Err(failed(io::Error::other(format!(
                    "a message of {stated} octets is refused"
                ))));
            }
            length = Some(stated);
            wanted = 8 + stated;
        }
    }
    bytes.truncate(usize::try_from(wanted).unwrap_or(usize::MAX));
    Ok(bytes.split_off(8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixListener;
    use std::thread;

    fn served(bytes: Vec<u8>, stay: bool) -> Result<Vec<u8>, Error> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("observe");
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(&bytes);
            if stay {
                let _ = stream.read(&mut [0; 1]);
            }
        });
        let result = read_message(&path, 100, 0.3);
        daemon.join().unwrap();
        result
    }

    fn framed(length: u64, body: &[u8]) -> Vec<u8> {
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend(body);
        bytes
    }

    #[test]
    fn a_message_is_read_whole() {
        assert_eq!(served(framed(3, b"abc"), false).unwrap(), b"abc");
        assert_eq!(served(framed(2, b"abc"), false).unwrap(), b"ab");
    }

    #[test]
    fn short_long_and_silent_ones_are_refused() {
        for (bytes, stay, words) in [
            (framed(3, b"ab"), false, "too early"),
            (framed(u64::MAX, b"ab"), false, "refused"),
            (framed(101, b"ab"), true, "refused"),
            (framed(3, b"ab"), true, "within 0.3 s"),
            (vec![0; 3], true, "within 0.3 s"),
        ] {
            let error = served(bytes, stay).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
