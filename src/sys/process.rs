//! Running a program to read what it prints: no shell, the C locale, no input, a limit on time and
//! on output. It is killed when it exceeds either.

use super::clock;
use super::error::Error;
use super::lock::Lock;
use nix::errno::Errno;
use nix::poll::PollFd;
use nix::poll::PollFlags;
use nix::poll::PollTimeout;
use nix::poll::poll;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

/// What a program said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error, its first 4 KiB.
    pub stderr: String,
}

impl Said {
    /// The last line of standard error, else the exit status in words: why it failed.
    #[must_use]
    pub fn reason(&self) -> String {
        let line = self
            .stderr
            .lines()
            .rev()
            .map(str::trim)
            .find(|l| !l.is_empty());
        match (line, self.status) {
            (Some(line), _) => line.to_owned(),
            (None, Some(status)) => format!("exit status {status}"),
            (None, None) => "killed".to_owned(),
        }
    }
}

/// Where administrators' programs are; a user's PATH often lacks sbin.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The program's full path, from PATH and the directories of administrators.
#[must_use]
pub fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = super::host::variable("PATH").unwrap_or_default();
    which::which_in(program, Some(format!("{path}:{PATH}")), "/").ok()
}

/// Runs a program to its end, at most `seconds`, and reads at most `limit` octets of output.
///
/// # Errors
/// When it is not there, cannot be run, takes too long or says too much.
pub fn read(program: &str, arguments: &[&str], seconds: f64, limit: usize) -> Result<Said, Error> {
    let failed = |e: io::Error| Error::new("run", program, e);
    let path = find(program)
        .ok_or_else(|| failed(io::Error::new(io::ErrorKind::NotFound, "not installed")))?;
    let mut child = Command::new(path)
        .args(arguments)
        .env("LC_ALL", "C")
        .env_remove("LANGUAGE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let result = collect(&mut child, seconds, limit);
    if result.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(failed)?;
    let (stdout, stderr) = result.map_err(failed)?;
    Ok(Said {
        status: status.code(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    })
}

/// Runs a program to its end, at most `seconds`, that must not be interrupted halfway: its output
/// goes to the end of a file, it is out of the terminal's reach, and it holds the lock, so that it
/// goes on when this program is killed and others can wait for it. It begins in `directory`, if
/// one is named. [`Said::stderr`] is the end of what it printed.
///
/// # Errors
/// When it is not there, cannot be run, takes too long, or the file cannot be written.
pub fn through(
    program: &str,
    arguments: &[&str],
    seconds: f64,
    directory: Option<&Path>,
    log: &Path,
    lock: &Lock,
) -> Result<Said, Error> {
    let failed = |e: io::Error| Error::new("run", program, e);
    let path = find(program)
        .ok_or_else(|| failed(io::Error::new(io::ErrorKind::NotFound, "not installed")))?;
    let out = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(log)
        .map_err(|e| Error::new("write", log.display().to_string(), e))?;
    let begin = out.metadata().map_err(failed)?.len();
    let mut command = Command::new(path);
    if let Some(directory) = directory {
        command.current_dir(directory);
    }
    let mut child = command
        .args(arguments)
        .env("LC_ALL", "C")
        .env_remove("LANGUAGE")
        .stdin(lock.share().map_err(failed)?)
        .stdout(out.try_clone().map_err(failed)?)
        .stderr(out)
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let deadline = clock::monotonic().plus_seconds(seconds);
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if clock::monotonic() >= deadline {
            let _ = child.kill();
            let _ = child.wait();
            let why = format!("took longer than {seconds} s; see {}", log.display());
            return Err(failed(io::Error::other(why)));
        }
        clock::sleep(0.02);
    };
    Ok(Said {
        status: status.code(),
        stdout: String::new(),
        stderr: tail(log, begin).map_err(failed)?,
    })
}

/// The last 4 KiB of what was added to a file since it had `begin` octets.
fn tail(log: &Path, begin: u64) -> io::Result<String> {
    let mut file = File::open(log)?;
    let end = file.metadata()?.len();
    file.seek(SeekFrom::Start(begin.max(end.saturating_sub(4096))))?;
    let mut text = Vec::new();
    file.take(4096).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn collect(child: &mut Child, seconds: f64, limit: usize) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let deadline = clock::monotonic().plus_seconds(seconds);
    let (Some(mut out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("no pipes"));
    };
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (mut out_open, mut err_open) = (true, true);
    let mut buffer = vec![0; 64 << 10];
    while out_open || err_open {
        let left = deadline.millis_from(clock::monotonic());
        if left == 0 {
            return Err(io::Error::other(format!("took longer than {seconds} s")));
        }
        let mut fds = [
            PollFd::new(
                out.as_fd(),
                if out_open {
                    PollFlags::POLLIN
                } else {
                    PollFlags::empty()
                },
            ),
            PollFd::new(
                err.as_fd(),
                if err_open {
                    PollFlags::POLLIN
                } else {
                    PollFlags::empty()
                },
            ),
        ];
        let timeout = PollTimeout::try_from(left.min(60_000)).unwrap_or(PollTimeout::ZERO);
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
        let ready = |fd: &PollFd<'_>| fd.revents().is_some_and(|r| !r.is_empty());
        let (out_ready, err_ready) = (out_open && ready(&fds[0]), err_open && ready(&fds[1]));
        if out_ready {
            let n = out.read(&mut buffer)?;
            out_open = n > 0;
            stdout.extend(buffer.iter().take(n));
            if stdout.len() > limit {
                return Err(io::Error::other(format!("said more than {limit} octets")));
            }
        }
        if err_ready {
            let n = err.read(&mut buffer)?;
            err_open = n > 0;
            let room = 4096usize.saturating_sub(stderr.len());
            stderr.extend(buffer.iter().take(n.min(room)));
        }
    }
    Ok((stdout, stderr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_and_how_it_ends() {
        let said = read("sh", &["-c", "echo out; echo err >&2; exit 3"], 5.0, 100).unwrap();
        assert_eq!(said.status, Some(3));
        assert_eq!(
            (said.stdout.as_str(), said.reason().as_str()),
            ("out\n", "err")
        );
    }

    #[test]
    fn what_must_not_be_interrupted_prints_into_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let lock = crate::sys::lock::take(&dir.path().join("lock"))
            .unwrap()
            .unwrap();
        std::fs::write(&log, "before\n").unwrap();
        let dir_of = through(
            "pwd",
            &[],
            5.0,
            Some(dir.path()),
            &dir.path().join("pwd"),
            &lock,
        );
        assert_eq!(dir_of.unwrap().status, Some(0));
        let text = std::fs::read_to_string(dir.path().join("pwd")).unwrap();
        assert_eq!(Path::new(text.trim()), dir.path().canonicalize().unwrap());
        let words = ["-c", "cat; echo out; echo why it failed >&2; exit 3"];
        let said = through("sh", &words, 5.0, None, &log, &lock).unwrap();
        assert_eq!(
            (said.status, said.reason().as_str()),
            (Some(3), "why it failed")
        );
        let text = std::fs::read_to_string(&log).unwrap();
        assert_eq!(text, "before\nout\nwhy it failed\n");
        let slow = through("sleep", &["10"], 0.05, None, &log, &lock).unwrap_err();
        assert!(slow.to_string().contains("longer than"), "{slow}");
    }

    #[test]
    fn neither_time_nor_output_is_without_limit() {
        let slow = read("sh", &["-c", "sleep 10"], 0.1, 100).unwrap_err();
        assert!(slow.to_string().contains("longer than"), "{slow}");
        let long = read("sh", &["-c", "yes | head -c 100000"], 5.0, 100).unwrap_err();
        assert!(long.to_string().contains("more than"), "{long}");
        assert!(
            read("no-such-program", &[], 1.0, 1)
                .unwrap_err()
                .is_missing()
        );
    }
}
