//! The ways in which a hub, its store or the network between can fail.
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    reason = "shared by tests and an example; in neither is it a library"
)]

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Which request a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// `GET /api/...`
    Api,
    /// `HEAD .../resolve/...`
    Head,
    /// The request to the store that carries a large file's bytes.
    Body,
    /// The request to the hub that carries a small file's bytes.
    Small,
}

/// One failure. Positions count from the start of the response's body.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// The body ends early, the connection closes.
    Cut(u64),
    /// The body ends early with a TCP reset.
    Reset(u64),
    /// The peer goes silent inside the body.
    Stall(u64),
    /// One byte at a time, this often.
    Trickle(Duration),
    /// A pause after each 64 kB.
    Slow(Duration),
    /// 200 and the whole file for a Range request.
    IgnoreRange,
    /// 206 with a Content-Range of another place.
    WrongRange,
    /// A status with a header of its own.
    Status(u16, Option<(&'static str, &'static str)>),
    /// A sign-in page with status 200.
    Page,
    /// That many bytes too many, Content-Length included.
    Long(u64),
    /// Content-Length and body end this many bytes early.
    Short(u64),
    /// One bit is wrong; the length is right.
    Flip(u64),
    /// The body is packed although nobody asked for that.
    Gzip,
    /// A redirect to itself.
    Loop,
    /// A redirect to another path of the same host, which works.
    Moved,
    /// The same with an absolute address.
    MovedAbsolute,
    /// No linked size, and a Content-Length of 0 for HEAD, as some mirrors have it.
    EmptyHead,
    /// A redirect to a scheme that is not followed.
    BadRedirect,
    /// The header X-Repo-Commit is missing.
    NoCommit,
    /// The commit is another one.
    OtherCommit,
    /// An etag that is no hash.
    OddEtag,
    /// The connection closes inside the header.
    TornHeader,
    /// No HTTP at all.
    Garbage,
}

/// Sends a body, spoilt as asked. `Ok(false)` means that the connection must end.
pub fn send(
    stream: &mut TcpStream,
    body: &mut dyn io::Read,
    fault: Option<&Fault>,
    gone: &dyn Fn() -> bool,
) -> io::Result<bool> {
    let limit = match fault {
        Some(Fault::Cut(at) | Fault::Reset(at) | Fault::Stall(at)) => *at,
        _ => u64::MAX,
    };
    let mut sent = 0_u64;
    let mut buffer = vec![0; 1 << 16];
    while sent < limit {
        let room = (limit - sent).min(buffer.len() as u64) as usize;
        let room = if matches!(fault, Some(Fault::Trickle(_))) { 1 } else { room };
        let read = body.read(&mut buffer[..room])?;
        if read == 0 {
            break;
        }
        if let Some(Fault::Flip(at)) = fault
            && (sent..sent + read as u64).contains(at)
        {
            buffer[(*at - sent) as usize] ^= 0x10;
        }
        stream.write_all(&buffer[..read])?;
        sent += read as u64;
        if let Some(Fault::Trickle(pause) | Fault::Slow(pause)) = fault {
            std::thread::sleep(*pause);
            if gone() {
                return Ok(false);
            }
        }
    }
    match fault {
        Some(Fault::Cut(_)) => Ok(false),
        Some(Fault::Reset(_)) => {
            reset(stream);
            Ok(false)
        }
        Some(Fault::Stall(_)) => {
            // Until the client hangs up or the server is dropped.
            stream.set_read_timeout(Some(Duration::from_millis(50)))?;
            let mut byte = [0];
            while !gone() {
                match io::Read::read(stream, &mut byte) {
                    Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                    _ => break,
                }
            }
            Ok(false)
        }
        _ => Ok(true),
    }
}

/// Makes the coming close a reset.
#[cfg(unix)]
fn reset(stream: &TcpStream) {
    use std::os::fd::AsRawFd;
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: the descriptor is open, and the option is read as one `linger` of its size.
    unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        );
    }
}

#[cfg(not(unix))]
fn reset(stream: &TcpStream) {
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

/// A gzip file of stored blocks (RFC 1952, RFC 1951 section 3.2.4).
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks = bytes.chunks(0xffff).peekable();
    if blocks.peek().is_none() {
        out.extend([1, 0, 0, 0xff, 0xff]);
    }
    while let Some(block) = blocks.next() {
        out.push(u8::from(blocks.peek().is_none()));
        out.extend((block.len() as u16).to_le_bytes());
        out.extend((!(block.len() as u16)).to_le_bytes());
        out.extend(block);
    }
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    out.extend((!crc).to_le_bytes());
    out.extend((bytes.len() as u32).to_le_bytes());
    out
}
