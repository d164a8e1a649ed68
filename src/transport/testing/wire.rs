//! The server's end of an HTTP/2 connection, frame by frame, for what no server library lets a test
//! do.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// `SETTINGS_MAX_CONCURRENT_STREAMS`.
pub(in crate::transport) const MAX_STREAMS: u16 = 3;
/// `SETTINGS_INITIAL_WINDOW_SIZE`.
pub(in crate::transport) const WINDOW: u16 = 4;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:status: 200` in HPACK's static table.
const STATUS_200: &[u8] = &[0x88];

/// The server's end of an HTTP/2 connection, frame by frame.
pub(in crate::transport) struct Wire {
    stream: TcpStream,
    /// Streams the client reset, and why.
    pub(in crate::transport) resets: Vec<(u32, u32)>,
    /// Whether the client said goodbye.
    pub(in crate::transport) goodbye: bool,
    /// Answers to PING so far.
    pongs: usize,
    /// Bytes of request bodies so far.
    pub(in crate::transport) received: usize,
}

struct Frame {
    kind: u8,
    flags: u8,
    id: u32,
    payload: Vec<u8>,
}

impl Wire {
    /// Reads the client's preface and sends SETTINGS.
    pub(in crate::transport) async fn accept(
        mut stream: TcpStream,
        settings: &[(u16, u32)],
    ) -> Self {
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut wire = Self { stream, resets: Vec::new(), goodbye: false, pongs: 0, received: 0 };
        wire.settings(settings).await;
        wire
    }

    /// Sends SETTINGS.
    pub(in crate::transport) async fn settings(&mut self, settings: &[(u16, u32)]) {
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        self.send(SETTINGS, 0, 0, &payload).await;
    }

    /// Returns the stream of the next whole request; `None` once the client is gone.
    pub(in crate::transport) async fn request(&mut self) -> Option<u32> {
        loop {
            let frame = self.read().await?;
            if let Some(id) = self.note(&frame).await {
                return Some(id);
            }
        }
    }

    /// Reads to the end.
    pub(in crate::transport) async fn drain(&mut self) {
        while self.request().await.is_some() {}
    }

    /// Waits until the client has seen all that was sent; returns the requests that came before.
    pub(in crate::transport) async fn round_trip(&mut self) -> Vec<u32> {
        let pongs = self.pongs;
        self.send(PING, 0, 0, &[7; 8]).await;
        let mut requests = Vec::new();
        while self.pongs == pongs {
            let frame = self.read().await.expect("the client is gone");
            requests.extend(self.note(&frame).await);
        }
        requests
    }

    /// Answers 200 without a body.
    pub(in crate::transport) async fn answer(&mut self, id: u32) {
        self.send(HEADERS, END_HEADERS | END_STREAM, id, STATUS_200).await;
    }

    /// Answers 200 with a body in pieces; the client may be gone before its end.
    pub(in crate::transport) async fn answer_with(&mut self, id: u32, pieces: &[&[u8]]) {
        self.send(HEADERS, END_HEADERS, id, STATUS_200).await;
        for (index, piece) in pieces.iter().enumerate() {
            let last = index + 1 == pieces.len();
            self.send(DATA, if last { END_STREAM } else { 0 }, id, piece).await;
        }
    }

    /// Refuses or ends a stream.
    pub(in crate::transport) async fn reset(&mut self, id: u32, code: u32) {
        self.send(RST_STREAM, 0, id, &code.to_be_bytes()).await;
    }

    /// Lets the client send more of a stream's body.
    pub(in crate::transport) async fn widen(&mut self, id: u32, by: u32) {
        self.send(WINDOW_UPDATE, 0, id, &by.to_be_bytes()).await;
    }

    /// Says goodbye.
    pub(in crate::transport) async fn go_away(&mut self, last: u32, code: u32, debug: &[u8]) {
        let payload = [&last.to_be_bytes()[..], &code.to_be_bytes(), debug].concat();
        self.send(GOAWAY, 0, 0, &payload).await;
    }

    async fn note(&mut self, frame: &Frame) -> Option<u32> {
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]).await,
            PING if frame.flags & ACK == 0 => self.send(PING, ACK, 0, &frame.payload).await,
            PING => self.pongs += 1,
            GOAWAY => self.goodbye = true,
            RST_STREAM => {
                let code = frame.payload[..].try_into().unwrap();
                self.resets.push((frame.id, u32::from_be_bytes(code)));
            }
            DATA => self.received += frame.payload.len(),
            _ => {}
        }
        let whole = matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0;
        whole.then_some(frame.id)
    }

    async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            id: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    async fn send(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let frame = [&length[1..], &[kind, flags], &id.to_be_bytes(), payload].concat();
        // The client may be gone, which is for the test to say.
        let _ = self.stream.write_all(&frame).await;
    }
}
