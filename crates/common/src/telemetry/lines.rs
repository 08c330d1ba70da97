//! Lines on their way to standard output.
//!
//! Whoever logs puts a line into a bounded queue and goes on; if the queue is full the line is dropped and counted. One
//! thread takes lines out, as many as there are, and writes them together. It is the only one that a blocked pipe can
//! hold up. A line of a write that failed counts as dropped, and the next lines are tried again. Once lines get
//! through after some were dropped, a line says how many.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How many lines may wait. At a few hundred bytes each that is a megabyte or two.
const CAPACITY: usize = 4096;
/// How many bytes are written together, give or take a line.
const BATCH: usize = 64 * 1024;
/// How long the end of the process may wait for its last lines.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);
/// How often a place in a full queue, or in a pipe that does not block, is tried for.
const RETRY_PERIOD: Duration = Duration::from_millis(5);

/// The entrance of the queue. Each `write` is one line, and never fails or waits.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    queue: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Entry {
    Line(Vec<u8>),
    /// Answered when everything before it was written.
    Flush(SyncSender<()>),
}

/// Standard output without the lock and the buffer that `std` puts around it: at exit `std` would wait for both.
#[derive(Debug)]
pub(super) struct Stdout(File);

impl Lines {
    /// Starts the thread that writes to `out`; it lives as long as somebody may log.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, entries) = sync_channel(CAPACITY);
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = Writer {
            entries,
            out,
            batch: Vec::with_capacity(BATCH),
            lines: 0,
            dropped: dropped.clone(),
            reported: 0,
        };
        thread::Builder::new()
            .name("log".into())
            .spawn(move || writer.run())?;
        Ok(Self { queue, dropped })
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until the lines so far are written or lost, for [`FLUSH_LIMIT`] at most.
    pub(super) fn flush(&self) {
        let deadline = Instant::now() + FLUSH_LIMIT;
        let (written, done) = sync_channel(1);
        let mut entry = Entry::Flush(written);
        while let Err(TrySendError::Full(refused)) = self.queue.try_send(entry) {
            if Instant::now() >= deadline {
                return;
            }
            entry = refused;
            thread::sleep(RETRY_PERIOD);
        }
        // Either way there is nothing more to do: the lines are out, or standard output is blocked.
        let _ = done.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.queue.try_send(Entry::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Writer<W> {
    entries: Receiver<Entry>,
    out: W,
    /// Lines to be written together, and how many they are.
    batch: Vec<u8>,
    lines: u64,
    dropped: Arc<AtomicU64>,
    /// How many of the dropped lines were told about.
    reported: u64,
}

impl<W: Write> Writer<W> {
    fn run(mut self) {
        while let Ok(entry) = self.entries.recv() {
            self.take(entry);
            while self.batch.len() < BATCH {
                match self.entries.try_recv() {
                    Ok(entry) => self.take(entry),
                    Err(_) => break,
                }
            }
            self.write();
        }
    }

    fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Line(line) => {
                self.batch.extend_from_slice(&line);
                self.lines += 1;
            }
            Entry::Flush(written) => {
                self.write();
                // Whoever asked may have stopped waiting.
                let _ = written.try_send(());
            }
        }
    }

    fn write(&mut self) {
        if self.lines == 0 {
            return;
        }
        match self.write_batch() {
            Ok(()) => self.report(),
            Err(_) => {
                self.dropped.fetch_add(self.lines, Ordering::Relaxed);
            }
        }
        self.batch.clear();
        self.lines = 0;
    }

    fn write_batch(&mut self) -> io::Result<()> {
        let mut rest = &self.batch[..];
        while !rest.is_empty() {
            match self.out.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Somebody who shares the pipe or terminal made it non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::sleep(RETRY_PERIOD);
                }
                Err(error) => return Err(error),
            }
        }
        self.out.flush()
    }

    fn report(&mut self) {
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > self.reported {
            let lines = dropped - self.reported;
            self.reported = dropped;
            tracing::warn!(
                lines,
                "log lines were lost, standard output did not take them"
            );
        }
    }
}

impl Stdout {
    pub(super) fn open() -> io::Result<Self> {
        let descriptor = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(Self(File::from(descriptor)))
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.0.is_terminal()
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
