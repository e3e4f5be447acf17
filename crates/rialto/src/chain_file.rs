//! Files of blocks: their encodings on end, as `geth export` writes them.
//!
//! A block is an RLP list, which says in its first bytes how long it is, so a file is read block by block with no more of it
//! in memory than one block, whatever its size.

use crate::CliError;
use rialto_stf::Block;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Most bytes of a block. One of 10 MiB would already be beyond what a network carries (EIP-7934).
const BLOCK_BYTES_MAX: usize = 64 << 20;
/// First byte of a list with at most 55 bytes of content; longer ones say in `first byte - 0xf7` bytes how many there are.
const SHORT_LIST: u8 = 0xc0;
const LONG_LIST: u8 = 0xf7;

/// Reads blocks from a file.
pub struct ChainFile {
    path: PathBuf,
    input: BufReader<Box<dyn Read>>,
    /// Bytes of the file, 0 if that can't be known.
    pub length: u64,
    /// Bytes read so far.
    pub position: u64,
    buffer: Vec<u8>,
}

impl ChainFile {
    /// Opens a file; `-` is standard input.
    pub fn open(path: &Path) -> Result<Self, CliError> {
        let (input, length): (Box<dyn Read>, u64) = if path == Path::new("-") {
            (Box::new(std::io::stdin()), 0)
        } else {
            let file = File::open(path).map_err(|error| CliError::file(path, error))?;
            let metadata = file.metadata().map_err(|error| CliError::file(path, error))?;
            if metadata.is_dir() {
                return Err(CliError::file(path, "expected a file of blocks, found a folder"));
            }
            (Box::new(file), metadata.len())
        };
        let input = BufReader::with_capacity(1 << 20, input);
        Ok(Self { path: path.to_path_buf(), input, length, position: 0, buffer: Vec::new() })
    }

    /// The next block, `None` at the end of the file.
    pub fn next_block(&mut self) -> Result<Option<Block>, CliError> {
        let start = self.position;
        let Some(length) = self.read_list_length()? else { return Ok(None) };
        if length > BLOCK_BYTES_MAX {
            return Err(
                self.error(start, format!("expected a block of at most {BLOCK_BYTES_MAX} bytes, found {length}"))
            );
        }
        let header = self.buffer.len();
        self.fill(header + length, start)?;
        Block::decode(&self.buffer).map(Some).map_err(|error| CliError::Rlp { file: self.place(start), error })
    }

    /// Reads the bytes that say how long the list is, which stay in the buffer.
    fn read_list_length(&mut self) -> Result<Option<usize>, CliError> {
        let start = self.position;
        self.buffer.clear();
        let mut first = [0];
        if self.input.read(&mut first).map_err(|error| CliError::file(&self.path, error))? == 0 {
            return Ok(None);
        }
        self.position += 1;
        self.buffer.push(first[0]);
        match first[0] {
            byte if byte < SHORT_LIST => {
                Err(self.error(start, format!("expected a block, which is an RLP list, found {byte:#04x}")))
            }
            byte if byte <= LONG_LIST => Ok(Some(usize::from(byte - SHORT_LIST))),
            byte => {
                let count = usize::from(byte - LONG_LIST);
                self.fill(1 + count, start)?;
                let length = self.buffer[1..].iter().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
                Ok(Some(usize::try_from(length).unwrap_or(usize::MAX)))
            }
        }
    }

    /// Reads until the buffer has `length` bytes.
    fn fill(&mut self, length: usize, start: u64) -> Result<(), CliError> {
        let filled = self.buffer.len();
        self.buffer.resize(length, 0);
        self.input.read_exact(&mut self.buffer[filled..]).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                self.error(start, format!("expected a block of {length} bytes, found the end of the file"))
            }
            _ => CliError::file(&self.path, error),
        })?;
        self.position += (length - filled) as u64;
        Ok(())
    }

    fn place(&self, offset: u64) -> String {
        format!("{}: byte {offset}", self.path.display())
    }

    fn error(&self, offset: u64, reason: String) -> CliError {
        CliError::File { path: self.place(offset), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Bytes, hex};
    use rialto_stf::Header;

    fn block(number: u64, extra: usize) -> Block {
        let extra_data = Bytes::from(vec![7; extra]);
        Block { header: Header { number, extra_data, ..Header::default() }, ..Block::default() }
    }

    #[test]
    fn blocks_come_one_after_the_other_and_errors_say_where() {
        let [first, second] = [block(1, 0).encode(), block(2, 100_000).encode()];
        let rows: [(&str, Vec<u8>, usize, Option<String>); 6] = [
            ("nothing", vec![], 0, None),
            ("two", [&first[..], &second].concat(), 2, None),
            (
                "cut",
                [&first[..], &second[..1_000]].concat(),
                1,
                Some(format!("byte {}: expected a block of", first.len())),
            ),
            ("cut in the length", [&first[..], &[0xfa, 1]].concat(), 1, Some("found the end of the file".into())),
            (
                "no list",
                hex!("83010203").to_vec(),
                0,
                Some("byte 0: expected a block, which is an RLP list, found 0x83".into()),
            ),
            (
                "huge",
                hex!("ffffffffffffffffff").to_vec(),
                0,
                Some("byte 0: expected a block of at most 67108864".into()),
            ),
        ];
        for (name, bytes, count, error) in rows {
            let path = std::env::temp_dir().join(format!(
                "rialto-chain-file-{}-{}",
                std::process::id(),
                name.replace(' ', "-")
            ));
            std::fs::write(&path, bytes).expect("a file");
            let mut file = ChainFile::open(&path).expect("a file");
            let mut read = 0;
            let found = loop {
                match file.next_block() {
                    Ok(Some(block)) => {
                        read += 1;
                        assert_eq!(block.header.number, read as u64, "{name}");
                    }
                    Ok(None) => break None,
                    Err(error) => break Some(error.to_string()),
                }
            };
            std::fs::remove_file(&path).expect("it is there");
            assert_eq!(read, count, "{name}");
            match (error, found) {
                (None, None) => {}
                (Some(expected), Some(found)) if found.contains(&expected) => {}
                (expected, found) => panic!("{name}: expected {expected:?}, found {found:?}"),
            }
        }
    }
}
