//! A proxy between an instance and its broker that holds one answer back, so that the client gives its request up as unanswered while
//! the broker has done it; or that changes what an answer says of the format of its records.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A request whose answers can be held, by its number in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Produce = 0,
    EndTxn = 26,
    TxnOffsetCommit = 28,
}

/// Nothing is to be held.
const NONE: i32 = -1;
/// The number of the request for records.
const FETCH: i32 = 1;
/// Where a batch of records has its length, and the number of its format, in bytes from its beginning; and the number it has today.
const LENGTH: std::ops::Range<usize> = 8..12;
const MAGIC: usize = 16;
const MAGIC_TODAY: u8 = 2;
/// The smallest batch.
const BATCH_MIN: usize = 61;
/// No format has this number.
const MAGIC_UNKNOWN: u8 = 7;
/// A frame that is larger is none; the broker takes no larger requests either.
const FRAME_MAX: usize = 100 * 1024 * 1024;

/// A running proxy. Its connections end with it.
pub(super) struct Proxy {
    address: SocketAddr,
    control: Arc<Control>,
}

struct Control {
    /// The number of the request whose next answer is to be held.
    wanted: AtomicI32,
    hold: Duration,
    held: Mutex<u32>,
    /// How many batches are to be of an unknown format.
    to_be_unknown: AtomicU32,
    is_stopped: AtomicBool,
}

impl Proxy {
    /// Listens on a free port. Answers that are asked for are held for `hold`.
    ///
    /// # Errors
    /// There is no free port.
    pub(super) fn listen(to: SocketAddr, hold: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let control = Control {
            wanted: AtomicI32::new(NONE),
            hold,
            held: Mutex::new(0),
            to_be_unknown: AtomicU32::new(0),
            is_stopped: AtomicBool::new(false),
        };
        let control = Arc::new(control);
        let own = Arc::clone(&control);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if own.is_stopped.load(Ordering::SeqCst) {
                    return;
                }
                // A client that cannot be served finds its connection closed.
                let _ = pass_on(client, to, &own);
            }
        });
        Ok(Self { address, control })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Holds the answer to the next such request.
    pub(super) fn hold_next(&self, request: Held) {
        self.control.wanted.store(request as i32, Ordering::SeqCst);
    }

    /// Makes the format of so many batches unknown that brokers give out from now on.
    pub(super) fn make_unknown(&self, batches: u32) {
        self.control.to_be_unknown.store(batches, Ordering::SeqCst);
    }

    /// How many of them have not come yet.
    pub(super) fn left_to_make_unknown(&self) -> u32 {
        self.control.to_be_unknown.load(Ordering::SeqCst)
    }

    /// How many answers were held so far.
    pub(super) fn held(&self) -> u32 {
        *self.control.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.control.is_stopped.store(true, Ordering::SeqCst);
        // Wakes the listener, which then looks.
        drop(TcpStream::connect(self.address));
    }
}

fn pass_on(client: TcpStream, to: SocketAddr, control: &Arc<Control>) -> io::Result<()> {
    let broker = TcpStream::connect(to)?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    // Answers come in the order of the requests, so this tells what each is to.
    let (asked, told) = mpsc::channel();
    let (from_client, to_broker, own) = (client.try_clone()?, broker.try_clone()?, Arc::clone(control));
    thread::spawn(move || {
        let _ = requests(&from_client, &to_broker, &own, &asked);
        close(&from_client, &to_broker);
    });
    let own = Arc::clone(control);
    thread::spawn(move || {
        let _ = answers(&broker, &client, &own, &told);
        close(&broker, &client);
    });
    Ok(())
}

/// A request that was passed on.
struct Asked {
    number: i32,
    is_held: bool,
}

fn requests(
    mut client: &TcpStream,
    mut broker: &TcpStream,
    control: &Control,
    asked: &Sender<Asked>,
) -> io::Result<()> {
    loop {
        let frame = frame(&mut client)?;
        let (number, is_answered) = request(&frame);
        let is_held = control.wanted.compare_exchange(number, NONE, Ordering::SeqCst, Ordering::SeqCst).is_ok();
        if is_answered && asked.send(Asked { number, is_held }).is_err() {
            return Ok(());
        }
        write(&mut broker, &frame)?;
    }
}

fn answers(
    mut broker: &TcpStream,
    mut client: &TcpStream,
    control: &Control,
    told: &Receiver<Asked>,
) -> io::Result<()> {
    loop {
        let mut frame = frame(&mut broker)?;
        let Asked { number, is_held } = told.recv().unwrap_or(Asked { number: NONE, is_held: false });
        let left = control.to_be_unknown.load(Ordering::SeqCst);
        if number == FETCH && left > 0 && make_unknown(&mut frame) {
            control.to_be_unknown.store(left - 1, Ordering::SeqCst);
        }
        if is_held {
            *control.held.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            thread::sleep(control.hold);
        }
        write(&mut client, &frame)?;
    }
}

/// Changes the format of the first batch in an answer; false where there is none. The sum over a batch leaves its format out.
fn make_unknown(frame: &mut [u8]) -> bool {
    let is_batch = |at: &usize| {
        let Some(batch) = frame.get(*at..) else { return false };
        let length = batch.get(LENGTH).and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        let rest = batch.len().saturating_sub(LENGTH.end);
        let fits = length.is_some_and(|length| (BATCH_MIN - LENGTH.end..=rest).contains(&(length as usize)));
        // Offsets are small here, as are the epochs of leaders, which come between the length and the format.
        fits && batch.starts_with(&[0; 4])
            && batch.get(LENGTH.end..LENGTH.end + 3) == Some(&[0; 3])
            && batch.get(MAGIC) == Some(&MAGIC_TODAY)
    };
    let found = (0..frame.len()).find(is_batch);
    match found.and_then(|at| frame.get_mut(at + MAGIC)) {
        Some(magic) => {
            *magic = MAGIC_UNKNOWN;
            true
        }
        None => false,
    }
}

/// The number of a request, and whether it gets an answer: a Produce without acknowledgements gets none, but transactions send no such.
fn request(frame: &[u8]) -> (i32, bool) {
    match frame {
        [high, low, ..] => (i32::from(i16::from_be_bytes([*high, *low])), true),
        _ => (NONE, false),
    }
}

/// One frame without its length.
fn frame(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > FRAME_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}

fn write(stream: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    stream.write_all(&[&length.to_be_bytes(), frame].concat())
}

fn close(one: &TcpStream, other: &TcpStream) {
    for stream in [one, other] {
        // It fails only when it is closed already.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn the_format_of_a_batch_is_changed_and_nothing_else() {
        let mut batch = vec![0; BATCH_MIN + 4];
        batch[11] = 53;
        batch[MAGIC] = MAGIC_TODAY;
        let mut frame = [vec![3, 9, 1], batch.clone()].concat();
        assert!(make_unknown(&mut frame));
        batch[MAGIC] = MAGIC_UNKNOWN;
        assert_eq!(frame, [vec![3, 9, 1], batch].concat());
        assert!(!make_unknown(&mut frame) && !make_unknown(&mut [2; 100]) && !make_unknown(&mut []));
    }

    #[test]
    fn the_answer_that_is_wanted_is_held_and_no_other() {
        let broker = TcpListener::bind("127.0.0.1:0").unwrap();
        let hold = Duration::from_millis(200);
        let proxy = Proxy::listen(broker.local_addr().unwrap(), hold).unwrap();
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        let (mut served, _) = broker.accept().unwrap();
        let mut ask = |number: u8| {
            let begun = Instant::now();
            write(&mut client, &[0, number, 1]).unwrap();
            assert_eq!(frame(&mut served).unwrap(), [0, number, 1]);
            write(&mut served, &[number]).unwrap();
            assert_eq!(frame(&mut client).unwrap(), [number]);
            begun.elapsed() >= hold
        };
        proxy.hold_next(Held::EndTxn);
        assert_eq!([ask(0), ask(26), ask(26)], [false, true, false]);
        assert_eq!(proxy.held(), 1);
    }
}
