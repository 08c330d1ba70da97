//! A socket that notes when bytes arrive.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::activity::Activity;

/// A connection whose reads are noted.
#[derive(Debug)]
pub(super) struct Observed {
    stream: TcpStream,
    activity: Activity,
}

impl Observed {
    pub(super) fn new(stream: TcpStream, activity: Activity) -> Self {
        Self { stream, activity }
    }
}

/// What fits is written in one piece: copying so little costs less than what the kernel takes to gather it.
const JOINED: usize = 1 << 10;

/// Puts these into one piece, if they fit. Gives its length.
fn join(slices: &[io::IoSlice<'_>], joined: &mut [u8]) -> Option<usize> {
    let length = slices.iter().map(|slice| slice.len()).sum();
    let mut rest = joined.get_mut(..length)?;
    for slice in slices {
        let (place, behind) = rest.split_at_mut(slice.len());
        place.copy_from_slice(slice);
        rest = behind;
    }
    Some(length)
}

impl AsyncRead for Observed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.heard();
        }
        read
    }
}

impl AsyncWrite for Observed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        let mut joined = [0; JOINED];
        match join(slices, &mut joined) {
            Some(length) => stream.poll_write(cx, &joined[..length]),
            None => stream.poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use super::*;

    #[test]
    fn what_fits_is_one_piece() {
        let slices = [&b"head"[..], b"", b"body"].map(IoSlice::new);
        let mut joined = [0; 8];
        assert_eq!(join(&slices, &mut joined), Some(8));
        assert_eq!(&joined, b"headbody");
        assert_eq!(join(&slices, &mut [0; 7]), None);
        assert_eq!(join(&[], &mut joined), Some(0));
    }
}
