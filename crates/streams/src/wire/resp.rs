//! RESP2, the protocol of Redis: commands to bytes, bytes to answers.
//!
//! An answer is read in two passes. The first walks over its headers to find its end, and goes on where it stopped
//! when more bytes are there, so that a large answer that comes bit by bit is walked over once. The second takes the
//! whole answer apart; its texts are views into what was read, not copies.
//!
//! Nothing is believed: a length that is announced costs no memory before what it announces has come.

use bytes::{Buf, Bytes, BytesMut};
use itoa::Buffer;
use uuid::{Uuid, fmt::Hyphenated};

use super::EntryId;

/// Most bytes of one text, as Redis has it by default (`proto-max-bulk-len`).
const MAX_TEXT: usize = 512 << 20;

/// Most bytes of a line: a header, a simple string, an error.
const MAX_LINE: usize = 64 << 10;

/// How deep arrays may lie in each other. Redis's answers to the commands of this crate have five levels at most.
const MAX_DEPTH: usize = 16;

/// What Redis answers to one command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Value {
    /// Nothing: a text or an array that is not there.
    #[default]
    Nil,
    Int(i64),
    /// Any bytes, sent as a simple or as a bulk string.
    Text(Bytes),
    Array(Vec<Self>),
    /// A refusal: a code, mostly, and words.
    Error(Bytes),
}

/// Bytes that are no RESP2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server does not speak the protocol of Redis: {0}")]
pub(crate) struct Malformed(&'static str);

/// Commands that go out in one write.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    bytes: Vec<u8>,
    /// The command that is being written.
    open: Option<Open>,
    count: usize,
}

/// A command whose number of words, which goes before them, is not known yet.
#[derive(Debug)]
struct Open {
    /// Where it begins.
    at: usize,
    words: usize,
}

/// What can stand in a command: a word, or several.
pub(crate) trait Word {
    fn write(&self, commands: &mut Commands);
}

impl Commands {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// With room for so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            ..Self::default()
        }
    }

    /// Begins a command.
    pub(crate) fn cmd(&mut self, name: &str) -> &mut Self {
        self.end_command();
        self.count += 1;
        let at = self.bytes.len();
        // Room for one digit; what more there are push the words back.
        self.bytes.extend_from_slice(b"*0\r\n");
        self.open = Some(Open { at, words: 0 });
        self.arg(name)
    }

    /// Goes on with it.
    pub(crate) fn arg(&mut self, word: impl Word) -> &mut Self {
        word.write(self);
        self
    }

    /// Adds these behind.
    pub(crate) fn append(&mut self, mut others: Self) {
        self.end_command();
        self.bytes.extend_from_slice(others.bytes());
        self.count += others.count;
    }

    /// How many commands there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// All of them, as they are sent.
    pub(crate) fn bytes(&mut self) -> &[u8] {
        self.end_command();
        &self.bytes
    }

    /// One word, made of these pieces.
    fn word(&mut self, pieces: &[&[u8]]) {
        if let Some(open) = &mut self.open {
            open.words += 1;
        }
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        self.bytes.push(b'$');
        let mut digits = Buffer::new();
        self.bytes
            .extend_from_slice(digits.format(length).as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
        for piece in pieces {
            self.bytes.extend_from_slice(piece);
        }
        self.bytes.extend_from_slice(b"\r\n");
    }

    fn end_command(&mut self) {
        let Some(Open { at, words }) = self.open.take() else {
            return;
        };
        let mut digits = Buffer::new();
        let digits = digits.format(words).bytes();
        drop(self.bytes.splice(at + 1..at + 2, digits));
    }
}

impl<W: Word + ?Sized> Word for &W {
    fn write(&self, commands: &mut Commands) {
        W::write(self, commands);
    }
}

impl Word for [u8] {
    fn write(&self, commands: &mut Commands) {
        commands.word(&[self]);
    }
}

impl Word for str {
    fn write(&self, commands: &mut Commands) {
        self.as_bytes().write(commands);
    }
}

impl Word for String {
    fn write(&self, commands: &mut Commands) {
        self.as_bytes().write(commands);
    }
}

impl Word for u64 {
    fn write(&self, commands: &mut Commands) {
        Buffer::new().format(*self).write(commands);
    }
}

impl Word for usize {
    fn write(&self, commands: &mut Commands) {
        (*self as u64).write(commands);
    }
}

impl Word for Uuid {
    fn write(&self, commands: &mut Commands) {
        let mut text = [0; Hyphenated::LENGTH];
        self.hyphenated().encode_lower(&mut text).write(commands);
    }
}

impl Word for EntryId {
    fn write(&self, commands: &mut Commands) {
        let (mut ms, mut seq) = (Buffer::new(), Buffer::new());
        let (ms, seq) = (ms.format(self.ms), seq.format(self.seq));
        commands.word(&[ms.as_bytes(), b"-", seq.as_bytes()]);
    }
}

/// One word for each.
impl<W: Word> Word for [W] {
    fn write(&self, commands: &mut Commands) {
        for word in self {
            word.write(commands);
        }
    }
}

/// Takes answers off the front of what was read.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// How far the first answer was walked over.
    at: usize,
    /// How many values are still to come of each array that was begun, the outermost first.
    open: Vec<u64>,
}

impl Answers {
    /// The first answer, once it is there as a whole.
    pub(crate) fn next(&mut self, read: &mut BytesMut) -> Result<Option<Value>, Malformed> {
        if !self.walk(read)? {
            return Ok(None);
        }
        let length = std::mem::take(&mut self.at);
        Ok(Some(take(&mut read.split_to(length).freeze())))
    }

    /// Walks on; whether the end of the first answer was found.
    fn walk(&mut self, read: &[u8]) -> Result<bool, Malformed> {
        loop {
            let Some((line, mut after)) = line(read, self.at)? else {
                return Ok(false);
            };
            let (kind, rest) = line.split_first().ok_or(Malformed("an empty line"))?;
            match kind {
                b'+' | b'-' => {}
                b':' => {
                    number(rest)?;
                }
                b'$' => {
                    if let Some(length) = length(rest)? {
                        if length > MAX_TEXT as u64 {
                            return Err(Malformed("a text that is too long"));
                        }
                        let end = after + length as usize;
                        match read.get(end..end + 2) {
                            None => return Ok(false),
                            Some(b"\r\n") => after = end + 2,
                            Some(_) => return Err(Malformed("a text without its end")),
                        }
                    }
                }
                b'*' => {
                    if let Some(items) = length(rest)?.filter(|items| *items > 0) {
                        if self.open.len() == MAX_DEPTH {
                            return Err(Malformed("arrays in arrays"));
                        }
                        self.open.push(items);
                        self.at = after;
                        continue;
                    }
                }
                _ => return Err(Malformed("an unknown kind of value")),
            }
            self.at = after;
            if self.one_is_complete() {
                return Ok(true);
            }
        }
    }

    /// One value is walked over; whether all that it is a part of is as well.
    fn one_is_complete(&mut self) -> bool {
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return false;
            }
            self.open.pop();
        }
        true
    }
}

/// Takes one value off the front, which was walked over and is there.
fn take(whole: &mut Bytes) -> Value {
    let Ok(Some((head, after))) = line(whole, 0) else {
        return Value::Nil;
    };
    let (kind, rest) = (head.first().copied(), 1..head.len());
    if let Some(kind @ (b'+' | b'-')) = kind {
        let text = whole.slice(rest);
        whole.advance(after);
        return match kind {
            b'+' => Value::Text(text),
            _ => Value::Error(text),
        };
    }
    let number = head.get(rest).and_then(|digits| number(digits).ok());
    whole.advance(after);
    match (kind, number) {
        (Some(b':'), Some(number)) => Value::Int(number),
        (Some(b'$'), Some(length @ 0..)) => {
            let text = whole.split_to(length as usize);
            whole.advance(2);
            Value::Text(text)
        }
        (Some(b'*'), Some(items @ 0..)) => Value::Array((0..items).map(|_| take(whole)).collect()),
        _ => Value::Nil,
    }
}

/// The line that begins there, without its end, and where the next one begins; nothing while it is not whole.
fn line(read: &[u8], from: usize) -> Result<Option<(&[u8], usize)>, Malformed> {
    let rest = &read[from..];
    let within = &rest[..rest.len().min(MAX_LINE)];
    match within.iter().position(|byte| *byte == b'\r') {
        Some(end) => match rest.get(end + 1) {
            Some(b'\n') => Ok(Some((&rest[..end], from + end + 2))),
            Some(_) => Err(Malformed("a line without its end")),
            None => Ok(None),
        },
        None if rest.len() >= MAX_LINE => Err(Malformed("a line that is too long")),
        None => Ok(None),
    }
}

/// `None` for what is not there.
fn length(digits: &[u8]) -> Result<Option<u64>, Malformed> {
    match number(digits)? {
        -1 => Ok(None),
        length => u64::try_from(length)
            .map(Some)
            .map_err(|_| Malformed("a length below zero")),
    }
}

fn number(digits: &[u8]) -> Result<i64, Malformed> {
    let digits = std::str::from_utf8(digits).unwrap_or_default();
    digits.parse().map_err(|_| Malformed("no number"))
}

#[cfg(any(test, fuzzing))]
pub(crate) mod compared;
#[cfg(test)]
mod tests;
