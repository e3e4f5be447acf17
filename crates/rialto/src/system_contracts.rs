//! Contracts that a chain of today begins with, as the EIPs state them.
//!
//! Four of them belong to the protocol: blocks call them (EIP-4788, EIP-2935, EIP-7002, EIP-7251). Each EIP gives the input of
//! the transaction that deploys its contract, which is kept here as it stands there; the code that remains is what that input
//! returns, and the storage what it writes, so a genesis state with them is the state after those transactions. The fifth
//! is the factory through which tools deploy to the same address on every chain; EIP-7997 gives its code.

use alloy_primitives::{Address, Bytes, U256, address, hex};
use rialto_vm::Fork;

/// A contract of a genesis state. Its nonce is 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemContract {
    /// Where it is.
    pub address: Address,
    /// Its code.
    pub code: Bytes,
    /// Its storage.
    pub storage: Vec<(U256, U256)>,
}

/// A contract by the input that deploys it.
struct Deployment {
    /// The fork that needs it.
    since: Fork,
    address: Address,
    init_code: &'static [u8],
    /// Where in `init_code` the code begins that stays.
    code_offset: usize,
    /// Whether deploying stores 2^256-1 in slot 0: no requests until the first block has ended.
    is_inhibited: bool,
}

/// Roots of beacon blocks (EIP-4788, `input` of the deployment transaction).
const BEACON_ROOTS: &[u8] = &hex!(
    "60618060095f395ff33373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f358015"
    "60495762001fff810690815414603c575f5ffd5b62001fff01545f5260205ff35b5f5ffd5b62001fff42064281555f359062"
    "001fff015500"
);
/// Hashes of past blocks (EIP-2935, `input` of the deployment transaction).
const HISTORY_STORAGE: &[u8] = &hex!(
    "60538060095f395ff33373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111"
    "604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
);
/// Withdrawal requests (EIP-7002, `input` of the deployment transaction).
const WITHDRAWAL_REQUESTS: &[u8] = &hex!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff5f556101f880602d5f395ff33373ffffff"
    "fffffffffffffffffffffffffffffffffe1460cb5760115f54807fffffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffffff146101f457600182026001905f5b5f82111560685781019083028483029004916001019190604d565b"
    "909390049250505036603814608857366101f457346101f4575f5260205ff35b34106101f457600154600101600155600354"
    "806003026004013381556001015f35815560010160203590553360601b5f5260385f601437604c5fa0600101600355005b60"
    "03546002548082038060101160df575060105b5f5b8181146101835782810160030260040181604c02815460601b81526014"
    "01816001015481526020019060020154807fffffffffffffffffffffffffffffffff00000000000000000000000000000000"
    "168252906010019060401c908160381c81600701538160301c81600601538160281c81600501538160201c81600401538160"
    "181c81600301538160101c81600201538160081c81600101535360010160e1565b910180921461019557906002556101a056"
    "5b90505f6002555f6003555b5f54807fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff1415"
    "6101cd57505f5b6001546002828201116101e25750505f6101e8565b01600290035b5f555f600155604c025ff35b5f5ffd"
);
/// Consolidation requests (EIP-7251, `input` of the deployment transaction).
const CONSOLIDATION_REQUESTS: &[u8] = &hex!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff5f5561019e80602d5f395ff33373ffffff"
    "fffffffffffffffffffffffffffffffffe1460d35760115f54807fffffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffffff1461019a57600182026001905f5b5f82111560685781019083028483029004916001019190604d565b"
    "9093900492505050366060146088573661019a573461019a575f5260205ff35b341061019a57600154600101600155600354"
    "806004026004013381556001015f358155600101602035815560010160403590553360601b5f5260605f60143760745fa060"
    "0101600355005b6003546002548082038060021160e7575060025b5f5b818114610129578281016004026004018160740281"
    "5460601b815260140181600101548152602001816002015481526020019060030154905260010160e9565b91018092146101"
    "3b5790600255610146565b90505f6002555f6003555b5f54807fffffffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffff141561017357505f5b6001546001828201116101885750505f61018e565b01600190035b5f555f600155"
    "6074025ff35b5f5ffd"
);
/// The factory for `CREATE2` (EIP-7997, runtime code).
const CREATE2_FACTORY: &[u8] = &hex!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f580151560"
    "39578182fd5b8082525050506014600cf3"
);
/// Where it is on every chain.
const CREATE2_FACTORY_ADDRESS: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");

const DEPLOYMENTS: [Deployment; 4] = [
    Deployment {
        since: Fork::Cancun,
        address: address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02"),
        init_code: BEACON_ROOTS,
        code_offset: 9,
        is_inhibited: false,
    },
    Deployment {
        since: Fork::Prague,
        address: address!("0000F90827F1C53a10cb7A02335B175320002935"),
        init_code: HISTORY_STORAGE,
        code_offset: 9,
        is_inhibited: false,
    },
    Deployment {
        since: Fork::Prague,
        address: address!("00000961Ef480Eb55e80D19ad83579A64c007002"),
        init_code: WITHDRAWAL_REQUESTS,
        code_offset: 45,
        is_inhibited: true,
    },
    Deployment {
        since: Fork::Prague,
        address: address!("0000BBdDc7CE488642fb579F8B00f3a590007251"),
        init_code: CONSOLIDATION_REQUESTS,
        code_offset: 45,
        is_inhibited: true,
    },
];

/// The contracts of a chain on which `fork` holds from the beginning.
pub fn system_contracts(fork: Fork) -> Vec<SystemContract> {
    let deployed = DEPLOYMENTS.iter().filter(|deployment| fork >= deployment.since).map(|deployment| SystemContract {
        address: deployment.address,
        code: Bytes::from_static(&deployment.init_code[deployment.code_offset..]),
        storage: if deployment.is_inhibited { vec![(U256::ZERO, U256::MAX)] } else { Vec::new() },
    });
    let factory = SystemContract {
        address: CREATE2_FACTORY_ADDRESS,
        code: Bytes::from_static(CREATE2_FACTORY),
        storage: Vec::new(),
    };
    deployed.chain([factory]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{B256, b256, uint};
    use rialto_stf::{SRange, Signature, Transaction};

    /// Signature's s and hash of each deployment transaction, as the EIPs state them. They made the signatures up, so sender
    /// and address follow from every byte of the transaction.
    const TRANSACTIONS: [(U256, B256); 4] = [
        (uint!(0x1b9b6eb1f0_U256), b256!("df52c2d3bbe38820fff7b5eaab3db1b91f8e1412b56497d88388fb5d4ea1fde0")),
        (
            uint!(0xaa12693182426612186309f02cfe8a80a0000_U256),
            b256!("67139a552b0d3fffc30c0fa7d0c20d42144138c8fe07fc5691f09c1cce632e15"),
        ),
        (
            uint!(0x5feeb084551e4e03a3581e269bc2ea2f8d0008_U256),
            b256!("8ded54be89448d78d4bc97782c0187b099e45380ab681742f9d3754e405c2572"),
        ),
        (
            uint!(0xc0730f92dc275b663d377a7cbb141b6600052_U256),
            b256!("379269d571beff3ed1d8eba3abb24076a7267b0eaf0cc66d728fb0544f5a690d"),
        ),
    ];

    #[test]
    fn deployment_transactions_are_those_of_the_eips() {
        for (deployment, (s, hash)) in DEPLOYMENTS.iter().zip(TRANSACTIONS) {
            let transaction = Transaction {
                gas_price: U256::from(1_000_000_000_000_u64),
                gas_limit: 250_000,
                input: Bytes::from_static(deployment.init_code),
                signature: Signature { y_parity: false, r: U256::from(0x539), s },
                ..Transaction::default()
            };
            let name = deployment.address;
            assert_eq!(transaction.hash(), hash, "{name}");
            let sender = transaction.sender(SRange::Low).expect("a signature");
            assert_eq!(sender.create(0), deployment.address, "{name}");
        }
    }

    /// The init code ends with PUSH length, DUP1, PUSH1 offset, PUSH0, CODECOPY, PUSH0, RETURN; what follows is the code.
    #[test]
    fn code_begins_where_the_init_code_says() {
        for deployment in &DEPLOYMENTS {
            let (begin, code) = deployment.init_code.split_at(deployment.code_offset);
            let name = deployment.address;
            assert_eq!(begin[begin.len() - 7..begin.len() - 5], [0x80, 0x60], "{name}");
            assert_eq!(begin[begin.len() - 4..], hex!("5f395ff3"), "{name}");
            assert_eq!(usize::from(begin[begin.len() - 5]), deployment.code_offset, "{name}");
            assert_eq!(begin[begin.len() - 8], code.len() as u8, "{name}");
            assert_eq!(begin.starts_with(&hex!("7fffffffff")), deployment.is_inhibited, "{name}");
        }
    }

    #[test]
    fn forks_have_the_contracts_that_they_need() {
        let rows = [(Fork::Paris, 1), (Fork::Shanghai, 1), (Fork::Cancun, 2), (Fork::Prague, 5), (Fork::Amsterdam, 5)];
        for (fork, count) in rows {
            assert_eq!(system_contracts(fork).len(), count, "{fork}");
        }
    }
}
