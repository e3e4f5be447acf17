//! The module at its border: which calls it takes, what it makes of malformed ones, gas at every point, and undoing from outside.

mod exchange;

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, SolInterface};
use exchange::{ALICE, BOB, Ended, GAS, PERPETUAL, PRICE, World, buy, error_text, sell};
use proptest::prelude::*;
use rialto_market::abi::IMarket::{self, IMarketCalls};
use rialto_market::module::MAX_CALL_DATA;
use rialto_vm::ModuleCall;

/// The functions of the interface, with whether the source declares them as views.
fn declared() -> Vec<(String, bool)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/IMarket.sol");
    let source = std::fs::read_to_string(path).unwrap();
    let interface = source.split("interface IMarketActions").next().unwrap();
    let functions = interface.split("\n    function ").skip(1).map(|rest| {
        let declaration = rest.split(';').next().unwrap();
        let name = declaration.split('(').next().unwrap().to_string();
        (name, declaration.contains("external view"))
    });
    functions.collect()
}

/// A call of each function with zeros for arguments, as many as any function decodes.
fn zero_call(selector: [u8; 4]) -> Vec<u8> {
    // Offsets of dynamic arguments point to a word that says that they are empty.
    let mut input = selector.to_vec();
    let signature = IMarketCalls::signature_by_selector(selector).unwrap();
    let arguments = signature.split_once('(').unwrap().1.trim_end_matches(')');
    let mut words = [U256::ZERO; 24];
    let arguments = arguments.replace(['(', ')'], "");
    for (at, argument) in arguments.split(',').filter(|argument| !argument.is_empty()).enumerate() {
        if argument == "bytes" || argument.ends_with("[]") {
            words[at] = U256::from(32 * 20);
        }
    }
    for word in words {
        input.extend_from_slice(&word.to_be_bytes::<32>());
    }
    input
}

#[test]
fn every_function_of_the_interface_does_something() {
    let declared = declared();
    assert_eq!(declared.len(), IMarketCalls::COUNT, "{declared:?}");
    let mut world = World::new();
    for selector in IMarketCalls::selectors() {
        let name = IMarketCalls::name_by_selector(selector).unwrap();
        let is_view = declared.iter().find(|(other, _)| other == name).unwrap().1;
        let input = zero_call(selector);
        let ended = world.transact(ALICE, &input);
        let error = match &ended {
            Ended::Revert { output, .. } => error_text(output),
            Ended::Success { .. } | Ended::Waits => String::new(),
            Ended::Halt => panic!("{name} halts with {GAS} gas"),
        };
        assert!(!error.starts_with("not an error") && error != "Reentered", "{name}: {error}");
        let has_enum_that_forbids_zero = name == "placeTrigger";
        assert!(error != "BadCall" || has_enum_that_forbids_zero, "{name} is not dispatched");
        let in_static = world.enter(ALICE, &input, GAS, true);
        let static_error = match &in_static {
            Ended::Revert { output, .. } => error_text(output),
            _ => String::new(),
        };
        assert_eq!(static_error == "StaticCall", !is_view, "{name} in a static call: {in_static:?}");
        if is_view {
            let before = world.slots();
            world.transact(ALICE, &input);
            assert_eq!(world.slots(), before, "{name} only asks");
        }
    }
}

#[test]
fn calls_that_are_refused() {
    let mut world = World::new();
    let block = world.block.clone();
    let input = IMarket::openAccountCall { number: 5 }.abi_encode();
    let module = world.module();
    let other = world.journal.account_id(&ALICE);
    let base = ModuleCall {
        caller: ALICE,
        value: U256::ZERO,
        input: &input,
        gas_limit: GAS,
        is_static: false,
        account: module,
        is_delegated: false,
        block: &block,
    };
    let bytes = |len: usize| vec![0xab_u8; len];
    let (short, unknown, long) = (bytes(3), bytes(36), bytes(MAX_CALL_DATA + 1));
    let dirty =
        [input.clone(), vec![]].concat().into_iter().enumerate().map(|(at, byte)| if at == 4 { 1 } else { byte });
    let dirty: Vec<u8> = dirty.collect();
    let rows = [
        ("delegated", ModuleCall { is_delegated: true, account: other, ..base }, "NotAllowed"),
        ("with value", ModuleCall { value: U256::ONE, ..base }, "NotAllowed"),
        ("static", ModuleCall { is_static: true, ..base }, "StaticCall"),
        ("nothing", ModuleCall { input: &[], ..base }, "BadCall"),
        ("half a selector", ModuleCall { input: &short, ..base }, "BadCall"),
        ("an unknown selector", ModuleCall { input: &unknown, ..base }, "BadCall"),
        ("arguments cut short", ModuleCall { input: &input[..35], ..base }, "BadCall"),
        ("an argument beyond its type", ModuleCall { input: &dirty, ..base }, "BadCall"),
        ("too long", ModuleCall { input: &long, ..base }, "OutOfRange call data 32769"),
        ("from the zero address", ModuleCall { caller: Address::ZERO, ..base }, "NotAllowed"),
    ];
    let before = world.slots();
    for (name, call, expected) in rows {
        match world.enter_with(call) {
            Ended::Revert { output, gas_used } => {
                assert_eq!(error_text(&output), expected, "{name}");
                assert!(gas_used <= GAS / 100, "{name}: {gas_used} gas");
            }
            ended => panic!("{name}: {ended:?}"),
        }
        world.journal.end_tx(true);
        assert_eq!(world.slots(), before, "{name}");
    }
    assert!(matches!(world.enter_with(base), Ended::Success { .. }));
}

#[test]
fn too_little_gas_halts_and_leaves_nothing() {
    let mut world = World::new();
    world.place(BOB, sell(PRICE + 1, 5)).unwrap();
    world.place(BOB, sell(PRICE + 2, 5)).unwrap();
    let account = world.account(ALICE);
    let input = IMarket::placeCall { account, order: buy(PRICE + 2, 20) }.abi_encode();
    let before = world.slots();
    let start = world.journal.checkpoint();
    let Ended::Success { gas_used, .. } = world.enter(ALICE, &input, GAS, false) else { panic!() };
    world.journal.revert(start);
    assert_eq!(world.slots(), before, "undone from outside");
    for gas in (0..gas_used).step_by(211).chain([gas_used - 1]) {
        assert_eq!(world.enter(ALICE, &input, gas, false), Ended::Halt, "{gas} gas");
        world.journal.end_tx(true);
        assert_eq!(world.slots(), before, "{gas} gas");
    }
    assert!(matches!(world.enter(ALICE, &input, gas_used, false), Ended::Success { .. }), "just enough");
}

#[test]
fn who_undoes_a_call_undoes_all_of_it() {
    let mut world = World::new();
    world.place(BOB, sell(PRICE + 1, 5)).unwrap();
    let account = world.account(ALICE);
    let call = |world: &mut World, order| {
        let input = IMarket::placeCall { account, order }.abi_encode();
        assert!(matches!(world.enter(ALICE, &input, GAS, false), Ended::Success { .. }));
    };
    let before = world.slots();
    // In one transaction: a fill, then within a frame that reverts two more calls, one in a frame of its own; then another.
    call(&mut world, buy(PRICE + 1, 2));
    let middle = (world.slots(), world.journal.logs().len());
    let outer = world.journal.checkpoint();
    call(&mut world, buy(PRICE - 3, 4));
    let inner = world.journal.checkpoint();
    call(&mut world, buy(PRICE + 1, 3));
    world.journal.revert(inner);
    call(&mut world, buy(PRICE - 1, 6));
    world.journal.revert(outer);
    assert_eq!((world.slots(), world.journal.logs().len()), middle, "slots and events are those of before");
    call(&mut world, buy(PRICE + 1, 2));
    world.journal.end_tx(true);
    assert_eq!(world.position(ALICE), (4, 0, 0));
    assert_eq!(world.book(PERPETUAL), [(false, PRICE + 1, 1)], "the records are those of the slots");
    assert_ne!(world.slots(), before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_end_in_a_defined_way(bytes in prop::collection::vec(any::<u8>(), 0..600), selector in any::<prop::sample::Index>(), is_known in any::<bool>()) {
        thread_local!(static WORLD: std::cell::RefCell<World> = std::cell::RefCell::new(World::new()));
        let mut input = bytes;
        if is_known {
            let selectors: Vec<[u8; 4]> = IMarketCalls::selectors().collect();
            input.splice(0..0, *selector.get(&selectors));
        }
        WORLD.with_borrow_mut(|world| {
            let checkpoint = world.journal.checkpoint();
            let ended = world.enter(ALICE, &input, 300_000, false);
            world.journal.revert(checkpoint);
            match ended {
                Ended::Success { gas_used, .. } => prop_assert!(gas_used <= 300_000),
                Ended::Revert { output, gas_used } => {
                    prop_assert!(gas_used <= 300_000);
                    prop_assert!(!error_text(&output).starts_with("not an error"));
                }
                Ended::Halt | Ended::Waits => {}
            }
            Ok(())
        })?;
    }

    #[test]
    fn any_words_end_in_a_defined_way(words in prop::collection::vec(any_word(), 0..16), selector in any::<prop::sample::Index>()) {
        thread_local!(static WORLD: std::cell::RefCell<World> = std::cell::RefCell::new(World::new()));
        let selectors: Vec<[u8; 4]> = IMarketCalls::selectors().collect();
        let mut input = selector.get(&selectors).to_vec();
        words.iter().for_each(|word| input.extend_from_slice(&word.to_be_bytes::<32>()));
        WORLD.with_borrow_mut(|world| {
            let ended = world.transact(ALICE, &input);
            if let Ended::Revert { output, .. } = ended {
                prop_assert!(!error_text(&output).starts_with("not an error"));
            }
            Ok(())
        })?;
    }
}

/// Words near the ends of what types hold, and ids that exist.
fn any_word() -> impl Strategy<Value = U256> {
    let power = (0_usize..256, 0_u64..3).prop_map(|(bits, add)| (U256::ONE << bits) + U256::from(add) - U256::ONE);
    prop_oneof![
        3 => (0_u64..40).prop_map(U256::from),
        2 => power,
        1 => (0_u64..20).prop_map(|words| U256::from(words * 32)),
        1 => Just(U256::from(PRICE)),
        1 => Just(U256::from_be_slice(ALICE.as_slice())),
    ]
}
