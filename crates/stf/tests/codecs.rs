//! Properties of the codecs: every value survives encoding, every refusal names its field, no input panics, and no two
//! inputs decode to the same value.

mod support;

use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256, address, b256, uint};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rialto_state::{Log, Topics};
use rialto_stf::*;
use support::unhex;

fn b256s() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>().prop_map(B256::new)
}

fn addresses() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address::new)
}

/// Integers of all widths, not mostly the widest.
fn u64s() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(value, shift)| value >> shift)
}

fn u256s() -> impl Strategy<Value = U256> {
    (any::<[u8; 32]>(), 0..256_usize).prop_map(|(bytes, shift)| U256::from_be_bytes(bytes) >> shift)
}

fn byte_strings() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..70).prop_map(Bytes::from)
}

prop_compose! {
    fn headers()(
        hashes in (b256s(), b256s(), addresses(), b256s(), b256s(), b256s(), b256s()),
        difficulty in u256s(),
        integers in (u64s(), u64s(), u64s(), u64s()),
        extra_data in byte_strings(),
        bloom_byte in any::<u8>(),
        nonce in any::<[u8; 8]>(),
        optional_integers in (u64s(), u64s(), u64s(), u64s()),
        optional_hashes in (b256s(), b256s(), b256s(), b256s()),
        optional_count in 0..=8,
    ) -> Header {
        let (parent_hash, ommers_hash, beneficiary, state_root, transactions_root, receipts_root, mix_hash) = hashes;
        let (number, gas_limit, gas_used, timestamp) = integers;
        let present = |position| optional_count > position;
        Header {
            parent_hash, ommers_hash, beneficiary, state_root, transactions_root, receipts_root, mix_hash,
            logs_bloom: Bloom::repeat_byte(bloom_byte),
            difficulty, number, gas_limit, gas_used, timestamp, extra_data,
            nonce: B64::new(nonce),
            base_fee_per_gas: present(0).then_some(optional_integers.0),
            withdrawals_root: present(1).then_some(optional_hashes.0),
            blob_gas_used: present(2).then_some(optional_integers.1),
            excess_blob_gas: present(3).then_some(optional_integers.2),
            parent_beacon_block_root: present(4).then_some(optional_hashes.1),
            requests_hash: present(5).then_some(optional_hashes.2),
            block_access_list_hash: present(6).then_some(optional_hashes.3),
            slot_number: present(7).then_some(optional_integers.3),
        }
    }
}

prop_compose! {
    fn access_lists()(items in vec((addresses(), vec(b256s(), 0..4)), 0..3)) -> Vec<AccessListItem> {
        items.into_iter().map(|(address, storage_keys)| AccessListItem { address, storage_keys }).collect()
    }
}

prop_compose! {
    fn authorizations()(
        chain_id in u256s(), address in addresses(), nonce in u64s(), y_parity in any::<u8>(), r in u256s(), s in u256s(),
    ) -> Authorization {
        Authorization { chain_id, address, nonce, y_parity, r, s }
    }
}

prop_compose! {
    fn transactions()(
        tx_type in proptest::sample::select(&TxType::ALL[..]),
        chain_id in option::of(u64s()),
        nonce in u64s(),
        fees in (u256s(), u256s(), u256s()),
        gas_limit in u64s(),
        to in option::of(addresses()),
        value in u256s(),
        input in byte_strings(),
        access_list in access_lists(),
        blob_versioned_hashes in vec(b256s(), 0..3),
        authorization_list in vec(authorizations(), 0..3),
        y_parity in any::<bool>(),
        r in u256s(),
        s in u256s(),
    ) -> Transaction {
        let mut transaction = Transaction {
            tx_type, chain_id, nonce: nonce.min(u64::MAX - 1), gas_price: fees.0, gas_limit, to, value, input,
            signature: Signature { y_parity, r, s },
            ..Transaction::default()
        };
        if tx_type != TxType::Legacy {
            transaction.chain_id = Some(chain_id.unwrap_or(1));
            transaction.access_list = access_list;
        }
        if tx_type.has_dynamic_fee() {
            transaction.max_priority_fee_per_gas = fees.1;
        }
        if !tx_type.can_create_contract() {
            transaction.to = Some(to.unwrap_or_default());
        }
        if tx_type == TxType::Blob {
            transaction.max_fee_per_blob_gas = fees.2;
            transaction.blob_versioned_hashes = blob_versioned_hashes;
        }
        if tx_type == TxType::SetCode {
            transaction.authorization_list = authorization_list;
        }
        transaction
    }
}

prop_compose! {
    fn blocks()(
        header in headers(),
        transactions in vec(transactions(), 0..4),
        ommers in vec(headers(), 0..2),
        withdrawals in option::of(vec((u64s(), u64s(), addresses(), u64s()), 0..3)),
    ) -> Block {
        let withdrawal = |(index, validator_index, address, amount)| {
            Withdrawal { index, validator_index, address, amount }
        };
        let withdrawals = withdrawals.map(|items| items.into_iter().map(withdrawal).collect());
        Block { header, transactions, ommers, withdrawals }
    }
}

prop_compose! {
    fn logs()(address in addresses(), topics in vec(b256s(), 0..=4), data in byte_strings()) -> Log {
        Log { address, topics: Topics::new(&topics), data }
    }
}

prop_compose! {
    fn receipts()(
        tx_type in proptest::sample::select(&TxType::ALL[..]),
        status in prop_oneof![
            b256s().prop_map(ReceiptStatus::PostState),
            any::<bool>().prop_map(ReceiptStatus::Status),
        ],
        cumulative_gas_used in u64s(),
        logs in vec(logs(), 0..3),
    ) -> Receipt {
        Receipt::new(tx_type, status, cumulative_gas_used, logs)
    }
}

prop_compose! {
    fn account_changes()(
        address in addresses(),
        storage_changes in vec((u256s(), vec((any::<u32>(), u256s()), 0..3)), 0..3),
        storage_reads in vec(u256s(), 0..3),
        balances in vec((any::<u32>(), u256s()), 0..3),
        nonces in vec((any::<u32>(), u64s()), 0..3),
        codes in vec((any::<u32>(), byte_strings()), 0..3),
    ) -> AccountChanges {
        let slot = |(slot, changes): (U256, Vec<(u32, U256)>)| SlotChanges {
            slot,
            changes: changes.into_iter().map(|(index, value)| StorageChange { index, value }).collect(),
        };
        AccountChanges {
            address,
            storage_changes: storage_changes.into_iter().map(slot).collect(),
            storage_reads,
            balance_changes: balances.into_iter().map(|(index, balance)| BalanceChange { index, balance }).collect(),
            nonce_changes: nonces.into_iter().map(|(index, nonce)| NonceChange { index, nonce }).collect(),
            code_changes: codes.into_iter().map(|(index, code)| CodeChange { index, code }).collect(),
        }
    }
}

/// One of the encoded types, encoded.
fn encodings() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        headers().prop_map(|header| header.encode()),
        transactions().prop_map(|transaction| transaction.encode()),
        receipts().prop_map(|receipt| receipt.encode()),
        blocks().prop_map(|block| block.encode()),
        vec(account_changes(), 0..3).prop_map(|accounts| BlockAccessList(accounts).encode()),
    ]
}

/// A change to an encoding.
#[derive(Clone, Debug)]
enum Damage {
    Replace(u8),
    Insert(u8),
    Remove,
    Cut,
}

proptest! {
    #[test]
    fn headers_survive(header in headers()) {
        prop_assert_eq!(Header::decode(&header.encode()), Ok(header));
    }

    #[test]
    fn transactions_survive(transaction in transactions()) {
        prop_assert_eq!(Transaction::decode(&transaction.encode()), Ok(transaction));
    }

    #[test]
    fn receipts_survive(receipt in receipts()) {
        prop_assert_eq!(Receipt::decode(&receipt.encode()), Ok(receipt));
    }

    #[test]
    fn blocks_survive(block in blocks()) {
        let encoded = block.encode();
        prop_assert_eq!(block.encoded_size(), encoded.len());
        prop_assert_eq!(Block::decode(&encoded), Ok(block));
    }

    #[test]
    fn block_access_lists_survive(accounts in vec(account_changes(), 0..4)) {
        let list = BlockAccessList(accounts);
        prop_assert_eq!(BlockAccessList::decode(&list.encode()), Ok(list));
    }

    #[test]
    fn arbitrary_bytes(bytes in vec(any::<u8>(), 0..200)) {
        check_decode(&bytes);
    }

    #[test]
    fn damaged_encodings(
        mut bytes in encodings(),
        damages in vec((any::<proptest::sample::Index>(), prop_oneof![
            any::<u8>().prop_map(Damage::Replace),
            any::<u8>().prop_map(Damage::Insert),
            Just(Damage::Remove),
            Just(Damage::Cut),
        ]), 0..4),
    ) {
        for (index, damage) in damages {
            if bytes.is_empty() {
                break;
            }
            let at = index.index(bytes.len());
            match damage {
                Damage::Replace(byte) => bytes[at] = byte,
                Damage::Insert(byte) => bytes.insert(at, byte),
                Damage::Remove => drop(bytes.remove(at)),
                Damage::Cut => bytes.truncate(at),
            }
        }
        check_decode(&bytes);
    }

    #[test]
    fn signatures_recover(mut transaction in transactions(), key in 1..u64::MAX, salt in any::<[u8; 16]>()) {
        let mut secret_key = B256::ZERO;
        secret_key[8..24].copy_from_slice(&salt);
        secret_key[24..].copy_from_slice(&key.to_be_bytes());
        transaction.sign(&secret_key).unwrap();
        let sender = address_of_secret_key(&secret_key).unwrap();
        prop_assert_eq!(transaction.sender(SRange::Low), Ok(sender));
        let decoded = Transaction::decode(&transaction.encode()).unwrap();
        prop_assert_eq!(decoded.sender(SRange::Any), Ok(sender));
        for authorization in &mut transaction.authorization_list {
            authorization.sign(&secret_key).unwrap();
            prop_assert_eq!(authorization.authority(), Ok(sender));
        }
    }

    /// alloy computes blooms in its own way.
    #[test]
    fn blooms_agree(logs in vec(logs(), 0..5)) {
        let mut expected = Bloom::ZERO;
        for log in &logs {
            expected.m3_2048(log.address.as_slice());
            log.topics.iter().for_each(|topic| expected.m3_2048(topic.as_slice()));
        }
        prop_assert_eq!(logs_bloom(&logs), expected);
    }
}

/// A list of items that are encoded already.
fn list(items: &[&str]) -> String {
    let mut writer = RlpWriter::new();
    writer.list(|list| items.iter().for_each(|item| list.raw(&unhex(item))));
    alloy_primitives::hex::encode(writer.into_bytes())
}

/// A recipient, encoded.
const RECIPIENT: &str = "943535353535353535353535353535353535353535";

/// Checks that each input is refused as a transaction with a message that starts as expected.
fn check_refused_transactions(rows: Vec<(&str, String, &str)>) {
    for (name, input, expected) in rows {
        let error = Transaction::decode(&unhex(&input)).expect_err(name).to_string();
        assert!(error.starts_with(expected), "{name}\n   found: {error}\nexpected: {expected}");
    }
}

#[test]
fn refused_types() {
    check_refused_transactions(vec![
        ("no bytes", String::new(), "transaction.type: expected an item, found the end (at byte 0)"),
        (
            "type 0",
            format!("00{}", list(&[])),
            "transaction.type: expected a type from 0x01 to 0x04 or a list, found byte 0x00 (at byte 0)",
        ),
        (
            "type 5",
            format!("05{}", list(&[])),
            "transaction.type: expected a type from 0x01 to 0x04 or a list, found byte 0x05 (at byte 0)",
        ),
        (
            "a string",
            "820102".into(),
            "transaction.type: expected a type from 0x01 to 0x04 or a list, found byte 0x82 (at byte 0)",
        ),
    ]);
}

#[test]
fn refused_legacy_transactions() {
    let to = RECIPIENT;
    let legacy = |nonce: &str, gas_limit: &str, to: &str, v: &str| {
        list(&[nonce, "01", gas_limit, to, "80", "80", v, "01", "01"])
    };
    check_refused_transactions(vec![
        (
            "nonce too wide",
            legacy("89010000000000000000", "01", to, "1b"),
            "transaction.nonce: expected an integer of at most 8 bytes, found 9 bytes (at byte 1)",
        ),
        (
            "nonce is max",
            legacy("88ffffffffffffffff", "01", to, "1b"),
            "transaction.nonce: expected at most 18446744073709551614, found 18446744073709551615 (at byte 1)",
        ),
        (
            "gas limit too wide",
            legacy("80", "89010000000000000000", to, "1b"),
            "transaction.gas_limit: expected an integer of at most 8 bytes, found 9 bytes (at byte 3)",
        ),
        (
            "recipient too short",
            legacy("80", "01", "9335353535353535353535353535353535353535", "1b"),
            "transaction.to: expected 0 or 20 bytes, found 19 (at byte 4)",
        ),
        (
            "recipient is a list",
            legacy("80", "01", "c0", "1b"),
            "transaction.to: expected a byte string, found a list of 0 bytes (at byte 4)",
        ),
        (
            "v is 26",
            legacy("80", "01", "80", "1a"),
            "transaction.v: expected 27, 28 or at least 35, found 26 (at byte 7)",
        ),
        (
            "v is 34",
            legacy("80", "01", "80", "22"),
            "transaction.v: expected 27, 28 or at least 35, found 34 (at byte 7)",
        ),
        (
            "v beyond 64 bits of chain id",
            legacy("80", "01", "80", "89020000000000000023"),
            "transaction.v: expected a chain id of at most 64 bits, found 18446744073709551616 (v is 36893488147419103267) (at byte 7)",
        ),
        (
            "a field too few",
            list(&["80", "01", "01", "80", "80", "80", "1b", "01"]),
            "transaction.s: expected an item, found the end (at byte 9)",
        ),
        (
            "a field too many",
            list(&["80", "01", "01", "80", "80", "80", "1b", "01", "01", "02"]),
            "transaction: expected the end, found 1 more bytes (at byte 10)",
        ),
        (
            "a byte after the list",
            format!("{}02", legacy("80", "01", "80", "1b")),
            "transaction: expected the end, found 1 more bytes (at byte 10)",
        ),
    ]);
}

/// A typed transaction whose item `position` (of chain id, nonce, two fees, gas limit, recipient, value, input, access
/// list) is `item`, and whose items after the access list are `tail`.
fn typed(position: usize, item: &str, tail: &[&str]) -> String {
    let mut items = vec!["01", "80", "80", "80", "825208", RECIPIENT, "80", "80", "c0"];
    items[position] = item;
    items.extend(tail);
    list(&items)
}

#[test]
fn refused_typed_transactions() {
    let short_key = list(&[&list(&[RECIPIENT, &list(&["820102"])])]);
    let signature = ["80", "01", "01"];
    let blob_tail = ["80", "c0", "80", "01", "01"];
    let set_code_tail = ["c0", "80", "01", "01"];
    let sidecar = list(&[&typed(0, "01", &blob_tail), "c0", "c0", "c0"]);
    check_refused_transactions(vec![
        (
            "parity 2",
            format!("02{}", typed(0, "01", &["02", "01", "01"])),
            "transaction.y_parity: expected 0 or 1, found 2 (at byte 33)",
        ),
        (
            "access list is a string",
            format!("02{}", typed(8, "80", &signature)),
            "transaction.access_list: expected a list, found a byte string of 0 bytes (at byte 32)",
        ),
        (
            "storage key too short",
            format!("02{}", typed(8, &short_key, &signature)),
            "transaction.access_list[0].storage_keys[0]: expected 32 bytes, found 2 (at byte 57)",
        ),
        (
            "blobs without recipient",
            format!("03{}", typed(5, "80", &blob_tail)),
            "transaction.to: expected 20 bytes in a transaction of type 0x03, found 0 (it can't create a contract) (at byte 9)",
        ),
        (
            "set code without recipient",
            format!("04{}", typed(5, "80", &set_code_tail)),
            "transaction.to: expected 20 bytes in a transaction of type 0x04, found 0 (it can't create a contract) (at byte 9)",
        ),
        (
            "blobs with their sidecar",
            format!("03{sidecar}"),
            "transaction: expected a blob transaction alone, found it wrapped with blobs, commitments and proofs (at byte 2)",
        ),
    ]);
}

#[test]
fn refused_in_blocks() {
    let transaction = Transaction { chain_id: Some(1), ..Transaction::default() };
    let block = Block { transactions: vec![transaction.clone(), transaction], ..Block::default() };
    let valid = block.encode();
    let header = |gas_limit: &str| {
        let encoded = alloy_primitives::hex::encode(Header { gas_limit: 0x1234, ..Header::default() }.encode());
        let payload = encoded[6..].replacen("821234", gas_limit, 1);
        let mut writer = RlpWriter::new();
        writer.list(|list| list.raw(&unhex(&payload)));
        alloy_primitives::hex::encode(writer.into_bytes())
    };
    let legacy_in_string = format!("89{}", list(&["80", "01", "01", "80", "80", "80", "80", "1b"]));
    let rows: Vec<(&str, String, &str)> = vec![
        (
            "gas limit too wide",
            list(&[&header("89010000000000000000"), "c0", "c0"]),
            "block.header.gas_limit: expected an integer of at most 8 bytes, found 9 bytes (at byte ",
        ),
        (
            "header cut",
            list(&["c0", "c0", "c0"]),
            "block.header.parent_hash: expected an item, found the end (at byte 2)",
        ),
        ("no transactions", list(&[&header("821234")]), "block.transactions: expected an item, found the end"),
        (
            "a fifth item",
            list(&[&header("821234"), "c0", "c0", "c0", "c0"]),
            "block: expected the end, found 1 more bytes",
        ),
        (
            "a legacy transaction in a string",
            list(&[&header("821234"), &list(&[&legacy_in_string]), "c0"]),
            "block.transactions[0].type: expected a type from 0x01 to 0x04 or a list, found byte 0xc8",
        ),
        (
            "a short withdrawal",
            list(&[&header("821234"), "c0", "c0", "c2c101"]),
            "block.withdrawals[0].validator_index: expected an item, found the end",
        ),
        (
            "a byte after the block",
            format!("{}00", alloy_primitives::hex::encode(&valid)),
            "block: expected the end, found 1 more bytes",
        ),
    ];
    assert_eq!(Block::decode(&valid), Ok(block));
    for (name, input, expected) in rows {
        let error = Block::decode(&unhex(&input)).expect_err(name).to_string();
        assert!(error.starts_with(expected), "{name}\n   found: {error}\nexpected: {expected}");
    }
}

/// The example of EIP-155.
#[test]
fn eip_155_example() {
    let mut transaction = Transaction {
        chain_id: Some(1),
        nonce: 9,
        gas_price: U256::from(20_000_000_000_u64),
        gas_limit: 21_000,
        to: Some(address!("3535353535353535353535353535353535353535")),
        value: U256::from(10).pow(U256::from(18)),
        ..Transaction::default()
    };
    let signing_hash = b256!("daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53");
    assert_eq!(transaction.signing_hash(), signing_hash);
    let secret_key = B256::repeat_byte(0x46);
    transaction.sign(&secret_key).expect("a valid key");
    assert_eq!(transaction.v(), 37);
    assert_eq!(
        transaction.signature.r,
        uint!(18515461264373351373200002665853028612451056578545711640558177340181847433846_U256)
    );
    assert_eq!(
        transaction.signature.s,
        uint!(46948507304638947509940763649030358759909902576025900602547168820602576006531_U256)
    );
    assert_eq!(transaction.sender(SRange::Low), address_of_secret_key(&secret_key));
}

#[test]
fn refused_signatures() {
    let order = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
    let half = order / U256::from(2);
    let one = U256::from(1);
    let any = |r, s| Signature { y_parity: false, r, s }.recover(&B256::repeat_byte(7), SRange::Any).map(drop);
    let low = |r, s| Signature { y_parity: false, r, s }.recover(&B256::repeat_byte(7), SRange::Low).map(drop);
    let rows = [
        ("r is 0", any(U256::ZERO, one), Err(SignatureError::InvalidR { r: U256::ZERO })),
        ("r is n", any(order, one), Err(SignatureError::InvalidR { r: order })),
        ("s is 0", any(one, U256::ZERO), Err(SignatureError::InvalidS { s: U256::ZERO })),
        ("s is n", any(one, order), Err(SignatureError::InvalidS { s: order })),
        ("s is n / 2", low(one, half), Ok(())),
        ("s is n / 2 + 1", low(one, half + one), Err(SignatureError::HighS { s: half + one })),
        ("s is n / 2 + 1 in Frontier", any(one, half + one), Ok(())),
        ("no point at x = 5", any(U256::from(5), one), Err(SignatureError::NoPublicKey { r: U256::from(5) })),
    ];
    for (name, found, expected) in rows {
        assert_eq!(found, expected, "{name}");
    }
    let authorization = Authorization { y_parity: 2, r: one, s: one, ..Authorization::default() };
    assert_eq!(authorization.authority(), Err(SignatureError::InvalidYParity { y_parity: 2 }));
    assert_eq!(address_of_secret_key(&B256::ZERO), Err(SignatureError::InvalidSecretKey));
}

#[test]
fn header_with_a_gap() {
    let rows: [(&str, Header, Option<&str>); 4] = [
        ("Frontier", Header::default(), None),
        ("London", Header { base_fee_per_gas: Some(7), ..Header::default() }, None),
        ("gap at the start", Header { slot_number: Some(1), ..Header::default() }, Some("base_fee_per_gas")),
        (
            "gap inside",
            Header { base_fee_per_gas: Some(7), blob_gas_used: Some(0), ..Header::default() },
            Some("withdrawals_root"),
        ),
    ];
    for (name, header, expected) in rows {
        assert_eq!(header.missing_optional_field(), expected, "{name}");
        assert_eq!(Header::decode(&header.encode()).is_ok(), expected.is_none(), "{name}");
    }
}

#[test]
fn block_access_list_rules() {
    let first = address!("0000000000000000000000000000000000000001");
    let second = address!("0000000000000000000000000000000000000002");
    let slot = |slot: u64, indices: &[u32]| SlotChanges {
        slot: U256::from(slot),
        changes: indices.iter().map(|index| StorageChange { index: *index, value: U256::ZERO }).collect(),
    };
    let account = AccountChanges { address: first, ..AccountChanges::default() };
    let reads = |slots: &[u64]| slots.iter().map(|slot| U256::from(*slot)).collect::<Vec<_>>();
    let nonces =
        |indices: &[u32]| indices.iter().map(|index| NonceChange { index: *index, nonce: 1 }).collect::<Vec<_>>();
    let one = |account: AccountChanges| vec![account];
    let rows: Vec<(&str, Vec<AccountChanges>, &str)> = vec![
        ("empty", vec![], ""),
        ("in order", vec![account.clone(), AccountChanges { address: second, ..account.clone() }], ""),
        (
            "account twice",
            vec![account.clone(), account.clone()],
            "expected accounts in ascending order, found 0x0000000000000000000000000000000000000001 after 0x0000000000000000000000000000000000000001",
        ),
        (
            "accounts swapped",
            vec![AccountChanges { address: second, ..account.clone() }, account.clone()],
            "expected accounts in ascending order, found 0x0000000000000000000000000000000000000001 after 0x0000000000000000000000000000000000000002",
        ),
        (
            "slots",
            one(AccountChanges {
                storage_changes: vec![slot(1, &[0, 3]), slot(2, &[1])],
                storage_reads: reads(&[0, 3]),
                ..account.clone()
            }),
            "",
        ),
        (
            "slots swapped",
            one(AccountChanges { storage_changes: vec![slot(2, &[0]), slot(1, &[0])], ..account.clone() }),
            "account 0x0000000000000000000000000000000000000001, storage_changes: expected ascending slots, found 0x1 after 0x2",
        ),
        (
            "read twice",
            one(AccountChanges { storage_reads: reads(&[4, 4]), ..account.clone() }),
            "account 0x0000000000000000000000000000000000000001, storage_reads: expected ascending slots, found 0x4 after 0x4",
        ),
        (
            "read and changed",
            one(AccountChanges {
                storage_changes: vec![slot(2, &[0])],
                storage_reads: reads(&[1, 2]),
                ..account.clone()
            }),
            "account 0x0000000000000000000000000000000000000001: expected slot 0x2 in storage_changes or storage_reads, found it in both",
        ),
        (
            "no changes",
            one(AccountChanges { storage_changes: vec![slot(2, &[])], ..account.clone() }),
            "account 0x0000000000000000000000000000000000000001, storage_changes of slot 0x2: expected at least 1 change, found 0",
        ),
        (
            "slot index twice",
            one(AccountChanges { storage_changes: vec![slot(2, &[1, 1])], ..account.clone() }),
            "account 0x0000000000000000000000000000000000000001, storage_changes of slot 0x2: expected ascending indices, found 1 after 1",
        ),
        (
            "index swapped",
            one(AccountChanges { nonce_changes: nonces(&[2, 1]), ..account.clone() }),
            "account 0x0000000000000000000000000000000000000001, nonce_changes: expected ascending indices, found 1 after 2",
        ),
        (
            "index too large",
            one(AccountChanges { nonce_changes: nonces(&[4]), ..account }),
            "account 0x0000000000000000000000000000000000000001, nonce_changes: expected an index of at most 3, found 4",
        ),
    ];
    for (name, accounts, expected) in rows {
        let found = BlockAccessList(accounts).validate(3).err().map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(found.trim_start_matches("block access list: "), expected, "{name}");
    }
}

#[test]
fn block_access_list_numbers() {
    let empty = BlockAccessList::default();
    // The hash that EIP-7928 gives for a block that touches nothing.
    assert_eq!(empty.hash(), b256!("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"));
    assert_eq!(empty.item_count(), 0);
    let slot_changes = SlotChanges { slot: U256::from(1), changes: vec![StorageChange::default(); 5] };
    let account = AccountChanges {
        storage_changes: vec![slot_changes],
        storage_reads: vec![U256::from(2), U256::from(3)],
        ..AccountChanges::default()
    };
    assert_eq!(BlockAccessList(vec![account, AccountChanges::default()]).item_count(), 5);
}

#[test]
fn ommers_hash_of_none() {
    assert_eq!(ommers_hash(&[]), b256!("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"));
}
