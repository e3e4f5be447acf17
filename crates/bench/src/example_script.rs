//! What happens on the example chain: the transactions of each block, signed.
//!
//! Everything follows from names and indices: keys are hashes of `rialto example account N`, amounts and receivers come
//! from counters, signatures are deterministic (RFC 6979). So the script is the same every time, and with it the chain.
//!
//! The six blocks tell a small story: contracts are deployed and accounts funded; tokens are handed out and a pool gets
//! liquidity; then come three blocks of traffic in which transfers, token transfers, swaps, deposits and CREATE2
//! deployments alternate with calls that revert and run out of gas; in the last an ordinary account delegates to a
//! contract (EIP-7702) and sends a batch.

use crate::contracts::{Contracts, call_data, word};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use rialto_stf::{AccessListItem, Authorization, Transaction, TxType, address_of_secret_key};

/// EIP-155 chain id of the example chain.
pub const CHAIN_ID: u64 = 20_260_101;
/// Accounts with ether at genesis.
pub const ACCOUNTS: usize = 64;

const GWEI: u64 = 1_000_000_000;
const ETHER: u128 = 1_000_000_000_000_000_000;
/// Account that deploys everything and owns all tokens at first.
const DEPLOYER: usize = 0;
/// Account that delegates to the multicall contract.
const DELEGATOR: usize = 1;
/// The first of the accounts that make the traffic.
const FIRST_USER: usize = 2;

/// An account of the example chain.
#[derive(Clone, Debug)]
pub struct ExampleAccount {
    /// Its secret key; as public as this source.
    pub key: B256,
    /// Its address.
    pub address: Address,
    nonce: u64,
}

/// The accounts, each with nothing sent yet.
pub fn accounts() -> Vec<ExampleAccount> {
    let account = |index| {
        let key = keccak256(format!("rialto example account {index}"));
        let address = address_of_secret_key(&key).expect("the hash is a valid key for each of these few names");
        ExampleAccount { key, address, nonce: 0 }
    };
    (0..ACCOUNTS).map(account).collect()
}

/// The transactions of each block, from block 1 on.
pub fn blocks() -> Vec<Vec<Transaction>> {
    let mut script = Script::new();
    let mut blocks = vec![script.deployments(), script.handing_out()];
    blocks.extend((0..3).map(|round| script.traffic(round)));
    blocks.push(script.delegation());
    blocks
}

/// What a transaction is apart from its sender.
#[derive(Default)]
struct Action {
    to: Option<Address>,
    value: u128,
    input: Bytes,
    gas_limit: u64,
    tx_type: TxType,
    access_list: Vec<AccessListItem>,
    authorizations: Vec<Authorization>,
}

struct Script {
    contracts: Contracts,
    accounts: Vec<ExampleAccount>,
    tokens: [Address; 2],
    pair: Address,
    factory: Address,
    vault: Address,
    multicall: Address,
}

impl Script {
    fn new() -> Self {
        let accounts = accounts();
        // The deployer's first transactions create the contracts in this order.
        let deployed = |nonce| accounts[DEPLOYER].address.create(nonce);
        Self {
            contracts: Contracts::load(),
            tokens: [deployed(0), deployed(1)],
            pair: deployed(2),
            factory: deployed(3),
            vault: deployed(4),
            multicall: deployed(5),
            accounts,
        }
    }

    fn send(&mut self, sender: usize, action: Action) -> Transaction {
        let account = &mut self.accounts[sender];
        let mut transaction = Transaction {
            tx_type: action.tx_type,
            chain_id: Some(CHAIN_ID),
            nonce: account.nonce,
            gas_price: U256::from(40 * GWEI),
            gas_limit: action.gas_limit,
            to: action.to,
            value: U256::from(action.value),
            input: action.input,
            access_list: action.access_list,
            authorization_list: action.authorizations,
            ..Transaction::default()
        };
        if transaction.tx_type.has_dynamic_fee() {
            transaction.max_priority_fee_per_gas = U256::from(GWEI * (1 + sender as u64 % 3));
        }
        account.nonce += 1;
        transaction.sign(&account.key).expect("the key is valid");
        transaction
    }

    fn call(&mut self, sender: usize, to: Address, input: Bytes, gas_limit: u64) -> Transaction {
        // Most wallets send dynamic fees; some traffic still is legacy.
        let tx_type = if sender.is_multiple_of(5) { TxType::Legacy } else { TxType::DynamicFee };
        self.send(sender, Action { to: Some(to), input, gas_limit, tx_type, ..Action::default() })
    }

    fn transfer(&mut self, sender: usize, to: Address, wei: u128) -> Transaction {
        let tx_type = if sender.is_multiple_of(4) { TxType::Legacy } else { TxType::DynamicFee };
        self.send(sender, Action { to: Some(to), value: wei, gas_limit: 21_000, tx_type, ..Action::default() })
    }

    fn user(&self, index: usize) -> usize {
        FIRST_USER + index % (ACCOUNTS - FIRST_USER)
    }

    fn address(&self, index: usize) -> Address {
        self.accounts[index].address
    }

    /// Contracts, and ether for accounts that are not in the genesis.
    fn deployments(&mut self) -> Vec<Transaction> {
        let supply = [U256::from(1_000_000_000 * ETHER)];
        let tokens = self.tokens.map(word);
        let codes = [
            self.contracts.init_code("Token", &supply),
            self.contracts.init_code("Token", &supply),
            self.contracts.init_code("Pair", &tokens),
            self.contracts.init_code("Factory", &[]),
            self.contracts.init_code("Vault", &[]),
            self.contracts.init_code("Multicall", &[]),
        ];
        let mut block = Vec::new();
        for input in codes {
            let action = Action { input, gas_limit: 2_000_000, tx_type: TxType::DynamicFee, ..Action::default() };
            block.push(self.send(DEPLOYER, action));
        }
        for index in 0..40 {
            block.push(self.transfer(self.user(index), newcomer(index), ETHER / 10 + index as u128));
        }
        block
    }

    /// Tokens for everyone, allowances for the pool, and its liquidity.
    fn handing_out(&mut self) -> Vec<Transaction> {
        let mut block = Vec::new();
        for token in self.tokens {
            for index in 1..ACCOUNTS {
                let gift = [word(self.address(index)), U256::from(10_000 * ETHER)];
                block.push(self.call(DEPLOYER, token, call_data("transfer(address,uint256)", &gift), 80_000));
            }
            let approval = call_data("approve(address,uint256)", &[word(self.pair), U256::MAX]);
            block.push(self.call(DEPLOYER, token, approval.clone(), 60_000));
            for index in FIRST_USER..ACCOUNTS {
                block.push(self.call(index, token, approval.clone(), 60_000));
            }
        }
        let liquidity = [U256::from(5_000_000 * ETHER), U256::from(15_000_000 * ETHER)];
        block.push(self.call(DEPLOYER, self.pair, call_data("addLiquidity(uint256,uint256)", &liquidity), 400_000));
        block
    }

    /// A block of mixed traffic.
    fn traffic(&mut self, round: usize) -> Vec<Transaction> {
        (0..120).map(|index| self.traffic_item(round, index)).collect()
    }

    fn traffic_item(&mut self, round: usize, index: usize) -> Transaction {
        let sender = self.user(index * 7 + round);
        let other = self.address(self.user(index * 5 + round + 1));
        let amount = ETHER / 1_000 * (index as u128 + 1);
        match index % 12 {
            0 | 6 => self.transfer(sender, other, amount),
            1 => self.transfer(sender, newcomer(index + 100 * round), amount),
            2 | 7 | 9 => {
                let token = self.tokens[index % 2];
                let input = call_data("transfer(address,uint256)", &[word(other), U256::from(amount)]);
                self.call(sender, token, input, 80_000)
            }
            3 | 8 | 10 => self.swap(sender, index % 2 == 1, amount),
            4 => self.vault(index, round, amount),
            5 => self.odd_item(round, index, sender),
            _ => self.announced_token_transfer(sender, other, amount),
        }
    }

    fn swap(&mut self, sender: usize, zero_for_one: bool, amount: u128) -> Transaction {
        let arguments = [U256::from(zero_for_one), U256::from(amount), U256::ONE, word(self.address(sender))];
        self.call(sender, self.pair, call_data("swap(bool,uint256,uint256,address)", &arguments), 200_000)
    }

    /// Deposits, then withdrawals by those who deposited, then by others: these get a revert with a custom error.
    fn vault(&mut self, index: usize, round: usize, wei: u128) -> Transaction {
        let sender = self.user(index + round / 2);
        if round == 0 {
            let (to, tx_type) = (Some(self.vault), TxType::DynamicFee);
            return self.send(sender, Action { to, value: wei, gas_limit: 80_000, tx_type, ..Action::default() });
        }
        self.call(sender, self.vault, call_data("withdraw(uint256)", &[U256::from(wei / 2)]), 80_000)
    }

    /// What goes wrong or is rare: CREATE2, an unreachable minimum, too little gas, a token sum nobody has.
    fn odd_item(&mut self, round: usize, index: usize, sender: usize) -> Transaction {
        match index / 12 % 4 {
            0 | 3 => {
                let salt = U256::from(1_000 * round + index);
                self.call(sender, self.factory, call_data("create(bytes32,uint256)", &[salt, salt]), 400_000)
            }
            1 => {
                let arguments = [U256::ONE, U256::from(ETHER), U256::MAX, word(self.address(sender))];
                self.call(sender, self.pair, call_data("swap(bool,uint256,uint256,address)", &arguments), 200_000)
            }
            _ => {
                let input = call_data("transfer(address,uint256)", &[word(self.address(DEPLOYER)), U256::ONE]);
                self.call(sender, self.tokens[0], input, 25_000)
            }
        }
    }

    /// A token transfer that announces the slots it touches (EIP-2930).
    fn announced_token_transfer(&mut self, sender: usize, to: Address, amount: u128) -> Transaction {
        let slot_of = |owner: Address| keccak256([word(owner).to_be_bytes::<32>(), U256::ONE.to_be_bytes()].concat());
        let storage_keys = vec![slot_of(self.address(sender)), slot_of(to)];
        let access_list = vec![AccessListItem { address: self.tokens[0], storage_keys }];
        let input = call_data("transfer(address,uint256)", &[word(to), U256::from(amount)]);
        let (to, tx_type) = (Some(self.tokens[0]), TxType::AccessList);
        self.send(sender, Action { to, input, gas_limit: 90_000, tx_type, access_list, ..Action::default() })
    }

    /// An account delegates to the multicall contract, sends a batch to itself, and ends the delegation.
    fn delegation(&mut self) -> Vec<Transaction> {
        let mut block: Vec<_> =
            (0..20).map(|index| self.transfer(self.user(index), newcomer(index), ETHER / 50)).collect();
        let delegator = self.address(DELEGATOR);
        // The account pays for its own delegation, so the transaction has used one nonce before the list is processed.
        let authorization = self.authorize(DELEGATOR, self.multicall, self.accounts[DELEGATOR].nonce + 1);
        block.push(self.send_delegation(DELEGATOR, DELEGATOR, authorization));
        let batch = self.batch();
        block.push(self.call(DELEGATOR, delegator, batch.clone(), 400_000));
        // Nobody else may use the account's new code.
        block.push(self.call(FIRST_USER, delegator, batch, 400_000));
        let authorization = self.authorize(DELEGATOR, Address::ZERO, self.accounts[DELEGATOR].nonce);
        block.push(self.send_delegation(FIRST_USER, DELEGATOR, authorization));
        block.push(self.transfer(DELEGATOR, self.address(DEPLOYER), ETHER));
        block
    }

    fn authorize(&self, authority: usize, delegate: Address, nonce: u64) -> Authorization {
        let chain_id = U256::from(CHAIN_ID);
        let mut authorization = Authorization { chain_id, address: delegate, nonce, ..Authorization::default() };
        authorization.sign(&self.accounts[authority].key).expect("the key is valid");
        authorization
    }

    fn send_delegation(&mut self, sender: usize, authority: usize, authorization: Authorization) -> Transaction {
        let action = Action {
            to: Some(self.address(sender)),
            gas_limit: 100_000,
            tx_type: TxType::SetCode,
            authorizations: vec![authorization],
            ..Action::default()
        };
        let transaction = self.send(sender, action);
        if sender != authority {
            self.accounts[authority].nonce += 1;
        } else {
            self.accounts[sender].nonce += 1;
        }
        transaction
    }

    /// Call data of `run((address,uint256,bytes)[])` with a transfer of ether and one of tokens.
    fn batch(&self) -> Bytes {
        let token_transfer =
            call_data("transfer(address,uint256)", &[word(self.address(FIRST_USER)), U256::from(ETHER)]);
        let calls = [
            (self.address(FIRST_USER), U256::from(ETHER / 4), Bytes::new()),
            (self.tokens[1], U256::ZERO, token_transfer),
        ];
        // Each call is encoded on its own; the array's head holds their offsets.
        let bodies: Vec<Vec<u8>> = calls.iter().map(|(to, value, data)| encode_call(*to, *value, data)).collect();
        let mut words = vec![U256::from(32), U256::from(bodies.len())];
        let mut offset = 32 * bodies.len();
        for body in &bodies {
            words.push(U256::from(offset));
            offset += body.len();
        }
        let mut input = call_data("run((address,uint256,bytes)[])", &words).to_vec();
        input.extend(bodies.concat());
        input.into()
    }
}

/// ABI encoding of a tuple `(address,uint256,bytes)`.
fn encode_call(to: Address, value: U256, data: &[u8]) -> Vec<u8> {
    let words = [word(to), value, U256::from(96), U256::from(data.len())];
    let mut encoded: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes::<32>()).collect();
    encoded.extend_from_slice(data);
    encoded.resize(encoded.len().next_multiple_of(32), 0);
    encoded
}

/// The account number `index` of those that are not in the genesis.
fn newcomer(index: usize) -> Address {
    Address::from_slice(&keccak256(format!("rialto example newcomer {index}"))[12..])
}
