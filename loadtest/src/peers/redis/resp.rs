//! RESP2, as the Redis serialization protocol specification has it.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt as _};

/// Most words of a command, and most bytes of a word.
const MOST: usize = 1 << 20;

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    Ok,
    Nil,
    Int(i64),
    Bulk(Vec<u8>),
    Array(Vec<Reply>),
    Error(String),
}

impl Reply {
    pub(super) fn error(text: impl Into<String>) -> Self {
        Self::Error(text.into())
    }

    /// Returns it as it is sent.
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Ok => b"+OK\r\n".to_vec(),
            Self::Nil => b"$-1\r\n".to_vec(),
            Self::Int(number) => format!(":{number}\r\n").into_bytes(),
            Self::Error(text) => format!("-{}\r\n", text.replace(['\r', '\n'], " ")).into_bytes(),
            Self::Bulk(bytes) => {
                let head = format!("${}\r\n", bytes.len());
                [head.as_bytes(), bytes, b"\r\n"].concat()
            }
            Self::Array(replies) => {
                let mut all = format!("*{}\r\n", replies.len()).into_bytes();
                all.extend(replies.iter().flat_map(Self::encode));
                all
            }
        }
    }
}

/// Reads one command; `None` where the client has no more.
pub(super) async fn read_command<R: AsyncBufReadExt + Unpin>(
    read: &mut R,
) -> io::Result<Option<Vec<Vec<u8>>>> {
    let Some(count) = read_length(read, '*').await? else {
        return Ok(None);
    };
    let mut words = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        let length = read_length(read, '$').await?;
        let mut word = vec![0; length.ok_or(io::ErrorKind::UnexpectedEof)?];
        read.read_exact(&mut word).await?;
        let mut end = [0; 2];
        read.read_exact(&mut end).await?;
        if end != *b"\r\n" {
            return Err(io::ErrorKind::InvalidData.into());
        }
        words.push(word);
    }
    Ok(Some(words))
}

async fn read_length<R: AsyncBufReadExt + Unpin>(
    read: &mut R,
    mark: char,
) -> io::Result<Option<usize>> {
    let mut line = String::new();
    if read.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let length = line.strip_prefix(mark).and_then(|it| it.strip_suffix("\r\n"));
    let length = length.and_then(|it| it.parse().ok());
    match length.filter(|&length| length <= MOST) {
        Some(length) => Ok(Some(length)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}
