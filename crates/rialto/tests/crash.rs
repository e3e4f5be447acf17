//! A node that is killed at any instant keeps every block that anybody was told of.
//!
//! A chain in dev mode is written to by several connections, each of which waits for the receipt of what it sent before it sends
//! the next transaction: a receipt is the node's word that the block is there. At a random instant the process gets SIGKILL, so
//! no code of its own runs any more. Then the database must be whole, a new process must begin from it, every receipt that was
//! given must still be the same, and so must a balance that was set outside of any block; and blocks must go on.
//!
//! What a kill can't show is a power failure, where the disk loses what it had promised; the store's own tests do that. A
//! hundred kills take `cargo test -p rialto --test crash -- --ignored`; in a normal run there are ten.

#[path = "support/json_rpc.rs"]
mod json_rpc;
#[path = "support/server.rs"]
mod server;
#[path = "support/mod.rs"]
mod support;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use json_rpc::{Client, quantity, signed};
use rialto_node::{DEV_MNEMONIC, DevAccount, dev_accounts};
use serde_json::{Value, json};
use server::Server;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use support::{Folder, rialto};

/// Connections that write.
const WRITERS: usize = 4;
/// Longest time under load before the kill.
const LOAD_MILLISECONDS: u64 = 300;
/// Receipts of earlier rounds that are looked at after each kill. At the end it is all of them.
const OLD_RECEIPTS: usize = 40;
/// Stores the block's number in the slot of that number, in a contract without code.
const INIT_CODE: &[u8] = &[0x43, 0x43, 0x55, 0x00];

#[test]
fn ten_kills_lose_nothing() {
    kill(10);
}

#[test]
#[ignore = "takes minutes"]
fn hundred_kills_lose_nothing() {
    kill(100);
}

/// What the node gave its word on.
#[derive(Clone, Debug)]
struct Receipt {
    transaction: B256,
    block: Value,
    number: u64,
}

/// A chain whose process is killed again and again.
struct Chain {
    datadir: String,
    accounts: Vec<DevAccount>,
    receipts: Vec<Receipt>,
    /// An account whose balance is set outside of blocks, and the balance.
    amended: (Address, Option<U256>),
    random: u64,
}

fn kill(times: u64) {
    let folder = Folder::new(&format!("crash-{times}"));
    let mut chain = Chain {
        datadir: folder.file("data"),
        accounts: dev_accounts(DEV_MNEMONIC, WRITERS).expect("the mnemonic is valid"),
        receipts: Vec::new(),
        amended: (Address::repeat_byte(0xa3), None),
        random: 1,
    };
    for round in 0..times {
        let known = chain.receipts.len();
        chain.run_until_killed(round);
        let verified = rialto(&["db", "verify", "--datadir", &chain.datadir]);
        assert_eq!(verified.code, 0, "round {round}: {}{}", verified.stdout, verified.stderr);
        assert!(chain.receipts.len() > known, "round {round}: expected a receipt before the kill");
        let old = (0..OLD_RECEIPTS).map(|_| chain.next_random() as usize % chain.receipts.len()).collect::<Vec<_>>();
        let server = chain.start();
        chain.check(&server, round, (known..chain.receipts.len()).chain(old));
    }
    let server = chain.start();
    chain.check(&server, times, 0..chain.receipts.len());
    assert_eq!(server.stop(), Some(0), "it still stops cleanly");
    println!("{} receipts kept over {times} kills", chain.receipts.len());
}

impl Chain {
    /// Numbers that look random (xorshift), the same in every run.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    fn start(&self) -> Server {
        Server::dev(&["--datadir", &self.datadir, "--db.cache-size", "32"])
    }

    /// Writes for a random time, kills the process, and notes what it had given its word on by then.
    fn run_until_killed(&mut self, round: u64) {
        let server = self.start();
        let balance = U256::from(1_000 + round);
        let mut client = Client::open(&server.address);
        let address = self.amended.0;
        client.result("anvil_setBalance", json!([address, balance]));
        self.amended.1 = Some(balance);
        let (send, receive) = channel();
        let writers: Vec<_> = (self.accounts.iter().cloned().enumerate())
            .map(|(index, account)| {
                let (address, send) = (server.address.clone(), send.clone());
                thread::spawn(move || write(&address, &account, round * 100 + index as u64, &send))
            })
            .collect();
        drop(send);
        let microseconds = self.next_random() % (LOAD_MILLISECONDS * 1_000);
        let mut given = receive_for(&receive, Duration::from_micros(microseconds));
        // The value's end is SIGKILL.
        drop(server);
        given.extend(receive);
        for writer in writers {
            writer.join().unwrap_or_else(|_| panic!("round {round}: a writer failed"));
        }
        self.receipts.extend(given);
    }

    /// Compares some of the receipts, and what was set outside of blocks, with what was given.
    fn check(&self, server: &Server, round: u64, receipts: impl Iterator<Item = usize>) {
        let mut client = Client::open(&server.address);
        let head = client.quantity("eth_blockNumber", json!([]));
        for receipt in receipts.map(|index| &self.receipts[index]) {
            let found = client.result("eth_getTransactionReceipt", json!([receipt.transaction]));
            assert_eq!(found["blockHash"], receipt.block, "round {round}, {receipt:?}: {found}");
            let block = client.result("eth_getBlockByNumber", json!([format!("{:#x}", receipt.number), false]));
            assert_eq!(block["hash"], receipt.block, "round {round}, {receipt:?}");
            assert!(receipt.number <= head, "round {round}: head {head}, {receipt:?}");
        }
        let (address, balance) = self.amended;
        let found = client.result("eth_getBalance", json!([address, "latest"]));
        assert_eq!(Some(found), balance.map(|balance| json!(balance)), "round {round}: balance set outside of blocks");
        client.result("evm_mine", json!([]));
        assert_eq!(client.quantity("eth_blockNumber", json!([])), head + 1, "round {round}: the next block");
    }
}

/// What comes within a time that begins with the first of it.
fn receive_for(receive: &Receiver<Receipt>, time: Duration) -> Vec<Receipt> {
    let mut given = vec![receive.recv().expect("a receipt before the connections end")];
    let end = Instant::now() + time;
    while let Ok(receipt) = receive.recv_timeout(end.saturating_duration_since(Instant::now())) {
        given.push(receipt);
    }
    given
}

/// Sends transactions, each after the receipt of the one before, until the connection ends.
fn write(address: &str, account: &DevAccount, seed: u64, send: &Sender<Receipt>) {
    let mut client = Client::open(address);
    let mut nonce = client.quantity("eth_getTransactionCount", json!([account.address, "latest"]));
    loop {
        let fresh = Address::from_word(keccak256([seed.to_be_bytes(), nonce.to_be_bytes()].concat()));
        let (to, input) = if nonce.is_multiple_of(2) { (None, INIT_CODE) } else { (Some(fresh), &[][..]) };
        let params = signed(&account.secret_key, nonce, to, Bytes::from(input), 200_000);
        // The process may end at any byte of this.
        let Ok(answer) = client.answer("eth_sendRawTransactionSync", &params) else { return };
        let receipt = &answer["result"];
        let text = receipt["transactionHash"].as_str().unwrap_or_else(|| panic!("expected a receipt, found {answer}"));
        let transaction = text.parse().expect("a hash");
        let number = quantity(&receipt["blockNumber"]).expect("a number");
        if send.send(Receipt { transaction, block: receipt["blockHash"].clone(), number }).is_err() {
            return;
        }
        nonce += 1;
    }
}
