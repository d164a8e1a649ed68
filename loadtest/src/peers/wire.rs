//! The byte stream under an HTTP/2 connection, with two things `h2` servers cannot do.
//!
//! `h2` can neither change `SETTINGS_MAX_CONCURRENT_STREAMS` after its first SETTINGS frame nor
//! choose the last stream of a GOAWAY. So its frames pass through here: the stream limit of the
//! first SETTINGS frame is replaced; each later one, which the server causes by "changing" the
//! window size, is rewritten into a change of the stream limit (`h2` then handles its
//! acknowledgement); and whole frames can be put between two of its own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::Reason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

// RFC 9113, sections 4.1, 6.5, 6.5.2 and 6.8.
const FRAME_HEAD: usize = 9;
const SETTINGS: u8 = 4;
const ACK: u8 = 1;
const GOAWAY: u8 = 7;
const SETTING: usize = 6;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;

/// What the connection's task asks of its wire.
pub(super) struct Control {
    streams: AtomicU32,
    asked: AtomicBool,
    request: Mutex<(BytesMut, bool)>,
}

impl Control {
    pub(super) fn new(streams: u32) -> Arc<Self> {
        Arc::new(Self {
            streams: AtomicU32::new(streams),
            asked: AtomicBool::new(false),
            request: Mutex::default(),
        })
    }

    /// Sets the stream limit that the next SETTINGS frame carries.
    pub(super) fn set_streams(&self, streams: u32) {
        self.streams.store(streams, Ordering::Relaxed);
    }

    /// Sends a GOAWAY; with `last` everything after it is swallowed and the stream shut down.
    pub(super) fn goaway(&self, last_stream: u32, code: Reason, debug: &[u8], last: bool) {
        let mut frame = BytesMut::with_capacity(FRAME_HEAD + 8 + debug.len());
        frame.put_uint(8 + debug.len() as u64, 3);
        frame.put_slice(&[GOAWAY, 0, 0, 0, 0, 0]);
        frame.put_u32(last_stream);
        frame.put_u32(code.into());
        frame.put_slice(debug);
        self.ask(&frame, last);
    }

    /// Swallows everything written from now on and shuts the stream down.
    pub(super) fn end(&self) {
        self.ask(&[], true);
    }

    fn ask(&self, frame: &[u8], last: bool) {
        let mut request = self.request.lock().unwrap_or_else(PoisonError::into_inner);
        request.0.extend_from_slice(frame);
        request.1 |= last;
        drop(request);
        self.asked.store(true, Ordering::Release);
    }

    fn take(&self) -> Option<(Bytes, bool)> {
        if !self.asked.swap(false, Ordering::Acquire) {
            return None;
        }
        let mut request = self.request.lock().unwrap_or_else(PoisonError::into_inner);
        Some((request.0.split().freeze(), request.1))
    }
}

/// Where in its frames the written stream is.
#[derive(Clone, Default)]
struct Position {
    head: [u8; FRAME_HEAD],
    head_read: usize,
    length: usize,
    left: usize,
    setting: u16,
    greeted: bool,
}

impl Position {
    fn between_frames(&self) -> bool {
        self.head_read == 0 && self.left == 0
    }

    fn in_settings(&self) -> bool {
        self.head[3] == SETTINGS && self.head[4] & ACK == 0
    }

    /// Passes over `written`, calling `replace` with index and new value of bytes to be changed.
    fn pass(&mut self, written: &[u8], streams: u32, mut replace: impl FnMut(usize, u8)) {
        let mut at = 0;
        while at < written.len() {
            if self.left == 0 {
                self.head[self.head_read] = written[at];
                self.head_read += 1;
                at += 1;
                if self.head_read == FRAME_HEAD {
                    self.head_read = 0;
                    let [a, b, c, ..] = self.head;
                    self.length = u32::from_be_bytes([0, a, b, c]) as usize;
                    self.left = self.length;
                }
                continue;
            }
            let part = self.left.min(written.len() - at);
            if self.in_settings() {
                for (index, byte) in written.iter().enumerate().skip(at).take(part) {
                    if let Some(byte) = self.setting_byte(*byte, streams) {
                        replace(index, byte);
                    }
                    self.left -= 1;
                }
                self.greeted |= self.left == 0;
            } else {
                self.left -= part;
            }
            at += part;
        }
    }

    /// Returns what stands in place of one byte of a SETTINGS frame's payload.
    fn setting_byte(&mut self, byte: u8, streams: u32) -> Option<u8> {
        match (self.length - self.left) % SETTING {
            0 => {
                self.setting = u16::from(byte) << 8;
                None
            }
            1 => {
                self.setting |= u16::from(byte);
                let rewritten = self.greeted && self.setting == INITIAL_WINDOW_SIZE;
                rewritten.then_some(MAX_CONCURRENT_STREAMS.to_be_bytes()[1])
            }
            value => {
                let replaced =
                    if self.greeted { INITIAL_WINDOW_SIZE } else { MAX_CONCURRENT_STREAMS };
                (self.setting == replaced).then(|| streams.to_be_bytes()[value - 2])
            }
        }
    }
}

/// A byte stream whose HTTP/2 frames are edited on the way out.
pub(super) struct Wire<T> {
    io: T,
    control: Arc<Control>,
    position: Position,
    inserted: Bytes,
    ending: bool,
}

impl<T: AsyncWrite + Unpin> Wire<T> {
    pub(super) fn new(io: T, control: Arc<Control>) -> Self {
        Self { io, control, position: Position::default(), inserted: Bytes::new(), ending: false }
    }

    /// Writes what was asked to stand between two frames, if the stream is between two.
    fn poll_insert(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.position.between_frames()
            && self.inserted.is_empty()
            && let Some((frames, last)) = self.control.take()
        {
            self.inserted = frames;
            self.ending |= last;
        }
        while self.inserted.has_remaining() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.inserted))?;
            self.inserted.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Wire<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Wire<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_insert(cx))?;
        if this.ending {
            return Poll::Ready(Ok(bytes.len()));
        }
        let streams = this.control.streams.load(Ordering::Relaxed);
        let mut edited = Vec::new();
        this.position.clone().pass(bytes, streams, |index, byte| {
            if edited.is_empty() {
                edited = bytes.to_vec();
            }
            edited[index] = byte;
        });
        let out = if edited.is_empty() { bytes } else { &edited };
        let written = ready!(Pin::new(&mut this.io).poll_write(cx, out))?;
        this.position.pass(&bytes[..written], streams, |_, _| {});
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_insert(cx))?;
        if self.ending {
            return Pin::new(&mut self.io).poll_shutdown(cx);
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
