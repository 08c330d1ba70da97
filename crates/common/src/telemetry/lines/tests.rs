use super::*;
use crate::telemetry::Logs;
use std::sync::mpsc::{Sender, channel};

/// An output that asks before each write: `Ok` lets it through, `Err` fails it.
struct Gate {
    asks: Sender<Vec<u8>>,
    answers: Receiver<io::Result<()>>,
}

impl Write for Gate {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.asks.send(bytes.to_vec()).unwrap();
        self.answers.recv().unwrap()?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Gated {
    lines: Lines,
    asked: Receiver<Vec<u8>>,
    answer: Sender<io::Result<()>>,
}

fn gated() -> Gated {
    let (asks, asked) = channel();
    let (answer, answers) = channel();
    let lines = Lines::start(Gate { asks, answers }).unwrap();
    Gated {
        lines,
        asked,
        answer,
    }
}

fn log(lines: &Lines, numbers: std::ops::Range<usize>) {
    for number in numbers {
        writeln_once(lines, &format!("{number}\n"));
    }
}

/// One `write`, as the formatter makes it.
fn writeln_once(lines: &Lines, line: &str) {
    let written = lines.clone().write(line.as_bytes()).unwrap();
    assert_eq!(written, line.len());
}

#[test]
fn lines_are_written_in_order_and_together() {
    let Gated {
        lines,
        asked,
        answer,
    } = gated();
    log(&lines, 0..1);
    let first = asked.recv().unwrap();
    // The writer is busy, so these gather.
    log(&lines, 1..1000);
    answer.send(Ok(())).unwrap();
    let rest = asked.recv().unwrap();
    answer.send(Ok(())).unwrap();
    let expected: String = (1..1000).map(|number| format!("{number}\n")).collect();
    assert_eq!((first, rest), (b"0\n".to_vec(), expected.into_bytes()));
    assert_eq!(lines.dropped(), 0);
}

#[test]
fn while_the_output_is_blocked_nobody_waits_and_lines_are_counted() {
    let Gated {
        lines,
        asked,
        answer,
    } = gated();
    log(&lines, 0..1);
    asked.recv().unwrap();
    log(&lines, 1..1 + CAPACITY + 500);
    assert_eq!(lines.dropped(), 500);
    // The end of the process waits a second for it, and no longer.
    lines.flush();

    answer.send(Ok(())).unwrap();
    let rest = asked.recv().unwrap();
    answer.send(Ok(())).unwrap();
    assert_eq!(rest.iter().filter(|byte| **byte == b'\n').count(), CAPACITY);
}

#[test]
fn lines_of_a_failed_write_are_counted_and_the_next_are_tried() {
    let Gated {
        lines,
        asked,
        answer,
    } = gated();
    log(&lines, 0..1);
    asked.recv().unwrap();
    log(&lines, 1..11);
    answer.send(Ok(())).unwrap();
    asked.recv().unwrap();
    answer.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
    log(&lines, 11..12);
    assert_eq!(asked.recv().unwrap(), b"11\n");
    answer.send(Ok(())).unwrap();
    assert_eq!(lines.dropped(), 10);
}

#[test]
fn an_output_that_would_block_or_is_interrupted_is_tried_again() {
    let Gated {
        lines,
        asked,
        answer,
    } = gated();
    log(&lines, 0..1);
    for refusal in [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted] {
        asked.recv().unwrap();
        answer.send(Err(refusal.into())).unwrap();
    }
    assert_eq!(asked.recv().unwrap(), b"0\n");
    answer.send(Ok(())).unwrap();
    lines.flush();
    assert_eq!(lines.dropped(), 0);
}

#[test]
fn the_logs_are_not_gone_before_their_lines_are_out() {
    let Gated {
        lines,
        asked,
        answer,
    } = gated();
    let logs = Logs { lines };
    log(&logs.lines, 0..100);
    let open = thread::spawn(move || (0..100).try_for_each(|_| answer.send(Ok(()))));
    drop(logs);
    let written: Vec<u8> = asked.try_iter().flatten().collect();
    let expected: String = (0..100).map(|number| format!("{number}\n")).collect();
    assert_eq!(written, expected.into_bytes());
    let _ = open.join().unwrap();
}
