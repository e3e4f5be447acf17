//! A chain of headers and a map of accounts, on which a pool stands; and what must hold of a pool at any time.

use crate::pool::state::rank_keys;
use crate::{BlobSidecar, ChainBlock, HeadChange, Pool, PoolConfig, PoolError, PoolTransaction};
use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_state::{MemoryState, StateReader};
use rialto_stf::{Block, ChainSpec, Header, Transaction, TxType, address_of_secret_key};
use rialto_vm::Fork;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

pub(super) const CHAIN_ID: u64 = 7;
pub(super) const BASE_FEE: u64 = 10;
pub(super) const GAS_LIMIT: u64 = 30_000_000;

/// Accounts of the state, by number of the sender: nonce, balance, code.
type Accounts = BTreeMap<u8, (u64, u128, Bytes)>;

pub(super) fn key(sender: u8) -> B256 {
    B256::repeat_byte(sender + 1)
}

pub(super) fn address(sender: u8) -> Address {
    static ADDRESSES: OnceLock<Vec<Address>> = OnceLock::new();
    let of = |sender| address_of_secret_key(&key(sender)).expect("a valid key");
    ADDRESSES.get_or_init(|| (0..64).map(of).collect())[usize::from(sender)]
}

/// A transfer that costs 21,000 gas.
pub(super) fn transfer(nonce: u64, max_fee: u64, tip: u64) -> Transaction {
    Transaction {
        tx_type: TxType::DynamicFee,
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_price: U256::from(max_fee),
        max_priority_fee_per_gas: U256::from(tip),
        gas_limit: 21_000,
        to: Some(Address::repeat_byte(0xee)),
        ..Transaction::default()
    }
}

pub(super) fn of(sender: u8, mut transaction: Transaction) -> Arc<PoolTransaction> {
    // Nothing recovers senders, so a mark in place of a signature is enough to make hashes differ.
    transaction.signature.r = U256::from(sender) + U256::ONE;
    let hash = transaction.hash();
    let sidecar = (transaction.tx_type == TxType::Blob).then(sidecar);
    Arc::new(PoolTransaction { transaction, hash, sender: address(sender), sidecar })
}

/// One blob with cell proofs.
pub(super) fn sidecar() -> Arc<BlobSidecar> {
    static SIDECAR: OnceLock<Arc<BlobSidecar>> = OnceLock::new();
    let compute = || Arc::new(BlobSidecar::compute(1, vec![blob(1)]).expect("a valid blob"));
    Arc::clone(SIDECAR.get_or_init(compute))
}

/// A blob that differs by `seed`.
pub(super) fn blob(seed: u8) -> Bytes {
    // A field element is below a modulus that begins with 0x73.
    Bytes::from((0..131_072usize).map(|i| if i % 32 == 0 { 0 } else { (i / 32) as u8 ^ seed }).collect::<Vec<u8>>())
}

pub(super) fn blob_transfer(nonce: u64, max_fee: u64, tip: u64, max_blob_fee: u64) -> Transaction {
    Transaction {
        tx_type: TxType::Blob,
        max_fee_per_blob_gas: U256::from(max_blob_fee),
        blob_versioned_hashes: sidecar().versioned_hashes(),
        ..transfer(nonce, max_fee, tip)
    }
}

/// A chain and its pool.
pub(super) struct Chain {
    pub(super) pool: Pool,
    pub(super) accounts: Accounts,
    pub(super) blocks: Vec<Arc<ChainBlock>>,
    /// The accounts after each block.
    history: Vec<Accounts>,
    /// Makes blocks differ.
    blocks_made: u64,
}

impl Chain {
    pub(super) fn new(config: PoolConfig) -> Self {
        Self::of_spec(config, ChainSpec::of_fork(Fork::Osaka, CHAIN_ID))
    }

    pub(super) fn of_spec(config: PoolConfig, spec: ChainSpec) -> Self {
        let accounts: Accounts = (0..8).map(|sender| (sender, (0, 10_u128.pow(18), Bytes::new()))).collect();
        let header = Header {
            gas_limit: GAS_LIMIT,
            gas_used: GAS_LIMIT / 2,
            base_fee_per_gas: Some(BASE_FEE),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            ..Header::default()
        };
        let genesis = chain_block(header.clone(), &[]);
        Self {
            pool: Pool::new(config, spec, header),
            history: vec![accounts.clone()],
            accounts,
            blocks: vec![genesis],
            blocks_made: 0,
        }
    }

    pub(super) fn head(&self) -> &Arc<ChainBlock> {
        self.blocks.last().expect("there is a genesis block")
    }

    pub(super) fn state(&self) -> MemoryState {
        let mut state = MemoryState::default();
        for (sender, (nonce, balance, code)) in &self.accounts {
            state.insert_account(address(*sender), *nonce, U256::from(*balance), code.clone(), []);
        }
        state
    }

    pub(super) fn add(&self, transaction: &Arc<PoolTransaction>) -> Result<Option<Arc<PoolTransaction>>, PoolError> {
        let root = self.head().block.header.state_root;
        self.pool.add_with_reader(Arc::clone(transaction), &self.state(), root)
    }

    /// Adds a transfer, and gives its hash.
    pub(super) fn add_transfer(&self, sender: u8, nonce: u64, max_fee: u64, tip: u64) -> Result<B256, PoolError> {
        let transaction = of(sender, transfer(nonce, max_fee, tip));
        self.add(&transaction).map(|_| transaction.hash)
    }

    /// A block on the head, without the pool's knowledge. Senders pay nothing but the nonce.
    pub(super) fn extend(&mut self, base_fee: u64, transactions: &[Arc<PoolTransaction>]) -> Arc<ChainBlock> {
        for transaction in transactions {
            let sender = (0..64).find(|sender| address(*sender) == transaction.sender).expect("a known sender");
            self.accounts.entry(sender).or_default().0 = transaction.transaction.nonce + 1;
        }
        self.blocks_made += 1;
        let header = Header {
            number: self.head().block.header.number + 1,
            timestamp: self.head().block.header.timestamp + 12,
            base_fee_per_gas: Some(base_fee),
            state_root: B256::from(U256::from(self.blocks_made)),
            ..self.head().block.header.clone()
        };
        let block = chain_block(header, transactions);
        self.blocks.push(Arc::clone(&block));
        self.history.push(self.accounts.clone());
        block
    }

    /// Takes the last blocks away, without the pool's knowledge. Gives them from the head downwards.
    pub(super) fn unwind(&mut self, count: usize) -> Vec<Arc<ChainBlock>> {
        let kept = self.blocks.len().saturating_sub(count).max(1);
        let mut removed = self.blocks.split_off(kept);
        self.history.truncate(kept);
        self.accounts = self.history.last().expect("there is a genesis block").clone();
        removed.reverse();
        removed
    }

    pub(super) fn follow(&self, removed: Vec<Arc<ChainBlock>>, added: Vec<Arc<ChainBlock>>) {
        let change = HeadChange { removed, added, head: Arc::clone(self.head()) };
        self.pool.follow_with_reader(&change, &self.state());
    }

    /// A block on the head, which the pool follows.
    pub(super) fn mine(&mut self, transactions: &[Arc<PoolTransaction>]) {
        self.mine_with_base_fee(BASE_FEE, transactions);
    }

    pub(super) fn mine_with_base_fee(&mut self, base_fee: u64, transactions: &[Arc<PoolTransaction>]) {
        let block = self.extend(base_fee, transactions);
        self.follow(Vec::new(), vec![block]);
    }

    /// Nonces of a sender's pending and queued transactions.
    pub(super) fn nonces(&self, sender: u8) -> (Vec<u64>, Vec<u64>) {
        let content = self.pool.content_of(&address(sender));
        let of = |part: &BTreeMap<Address, BTreeMap<u64, Arc<PoolTransaction>>>| {
            part.get(&address(sender)).map(|list| list.keys().copied().collect()).unwrap_or_default()
        };
        (of(&content.pending), of(&content.queued))
    }

    /// Asserts everything that must hold of a pool that has followed the head.
    pub(super) fn check(&self) {
        check_indexes(&self.pool);
        self.check_limits();
        self.check_best();
    }

    fn check_limits(&self) {
        let state = self.pool.state.lock().unwrap();
        let (counts, config) = (state.counts, &state.config);
        assert!(counts.pending <= config.max_pending, "{counts:?}");
        assert!(counts.queued <= config.max_queued, "{counts:?}");
        assert!(counts.bytes <= config.max_bytes, "{counts:?}");
        assert!(counts.blob_bytes <= config.max_blob_bytes, "{counts:?}");
        assert!(state.blobs.counts().2 <= config.max_mined_blob_bytes);
        for account in state.accounts.values() {
            assert!(account.len() <= config.max_per_account);
        }
    }

    /// A builder that takes all the pool gives never meets a nonce, a balance or a fee that is not valid, and meets every
    /// pending transaction that it could take.
    fn check_best(&self) {
        let state = self.state();
        let mut spent: BTreeMap<Address, (u64, U256)> = BTreeMap::new();
        let mut last_tip_of_first = None;
        let mut count = 0;
        for transaction in self.pool.best(BASE_FEE, U256::ONE) {
            count += 1;
            let account = state.account(&transaction.sender).unwrap().unwrap_or_default();
            let inner = &transaction.transaction;
            assert!(inner.gas_price >= U256::from(BASE_FEE));
            let is_first = !spent.contains_key(&transaction.sender);
            let (nonce, used) = spent.entry(transaction.sender).or_insert((account.nonce, U256::ZERO));
            assert_eq!(inner.nonce, *nonce, "a gap, or a nonce that is used");
            let blob_gas = U256::from((inner.blob_versioned_hashes.len() as u64) << 17);
            *used += U256::from(inner.gas_limit) * inner.gas_price + inner.value;
            *used += blob_gas * inner.max_fee_per_blob_gas;
            assert!(*used <= account.balance, "more than the balance");
            *nonce += 1;
            let tip = (inner.gas_price - U256::from(BASE_FEE)).min(inner.max_priority_fee_per_gas);
            if is_first {
                let is_ordered = last_tip_of_first.is_none_or(|last| tip <= last);
                assert!(is_ordered, "a sender's first transaction with a better tip came later");
                last_tip_of_first = Some(tip);
            }
        }
        let content = self.pool.content();
        let mut takeable = 0;
        for list in content.pending.values() {
            let pays = |transaction: &&Arc<PoolTransaction>| {
                let inner = &transaction.transaction;
                let is_blob = inner.tx_type == TxType::Blob;
                inner.gas_price >= U256::from(BASE_FEE) && (!is_blob || inner.max_fee_per_blob_gas >= U256::ONE)
            };
            takeable += list.values().take_while(pays).count();
        }
        assert_eq!(count, takeable, "the builder was not given all it could take");
    }
}

/// Asserts that every index says what the accounts say, and that what is pending is just what can be executed.
pub(super) fn check_indexes(pool: &Pool) {
    let mut state = pool.state.lock().unwrap();
    let (mut pending, mut queued, mut bytes, mut blob_bytes, mut blobs) = (0, 0, 0, 0, 0);
    let mut authorities: BTreeMap<Address, usize> = BTreeMap::new();
    let mut rankings = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
    for (sender, account) in &state.accounts {
        assert!(!account.is_empty());
        let mut next = Some(account.state.nonce);
        let mut cost = U256::ZERO;
        for (nonce, entry) in account.entries() {
            assert_eq!(state.by_hash.get(&entry.transaction.hash), Some(&(*sender, nonce)));
            assert!(nonce >= account.state.nonce);
            cost += entry.cost;
            assert_eq!(entry.prefix_cost, cost);
            assert!(entry.prefix_worth <= entry.worth);
            let is_pending = next == Some(nonce) && cost <= account.state.balance;
            assert_eq!(entry.is_pending, is_pending, "nonce {nonce} of {sender}");
            assert!(is_pending || entry.blob_bytes == 0, "a blob transaction waits");
            next = is_pending.then_some(nonce + 1);
            *(if is_pending { &mut pending } else { &mut queued }) += 1;
            bytes += entry.bytes;
            blob_bytes += entry.blob_bytes;
            blobs += usize::from(entry.blob_bytes > 0);
            assert_eq!(entry.blob_bytes > 0, account.has_blobs());
            entry.authorities.iter().for_each(|authority| *authorities.entry(*authority).or_default() += 1);
        }
        for (ranking, key) in rankings.iter_mut().zip(rank_keys(account, *sender)) {
            ranking.extend(key);
        }
    }
    let counts = state.counts;
    assert_eq!((counts.pending, counts.queued), (pending, queued));
    assert_eq!((counts.bytes, counts.blob_bytes), (bytes, blob_bytes));
    assert_eq!(state.by_hash.len(), pending + queued);
    assert_eq!(state.blobs.counts().0, blobs);
    assert_eq!(state.authorities.clone().into_iter().collect::<BTreeMap<_, _>>(), authorities);
    for (ranking, expected) in state.rankings().into_iter().zip(rankings) {
        assert_eq!(*ranking, expected);
    }
}

pub(super) fn chain_block(header: Header, transactions: &[Arc<PoolTransaction>]) -> Arc<ChainBlock> {
    let block = Block {
        header,
        transactions: transactions.iter().map(|transaction| transaction.transaction.clone()).collect(),
        ..Block::default()
    };
    Arc::new(ChainBlock {
        hash: block.header.hash(),
        senders: transactions.iter().map(|transaction| transaction.sender).collect(),
        transaction_hashes: transactions.iter().map(|transaction| transaction.hash).collect(),
        total_difficulty: U256::ZERO,
        block,
    })
}
