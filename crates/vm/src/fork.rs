//! Ethereum's upgrades, in order.
//!
//! A fork is a name for a set of rules. Code does not compare forks; it asks [`crate::Rules`] (virtual machine) or the
//! chain's rules (blocks and transactions) for the rule it needs. The order of the variants is the order of activation.

/// An upgrade of the execution layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Fork {
    Frontier,
    Homestead,
    DaoFork,
    TangerineWhistle,
    SpuriousDragon,
    Byzantium,
    Constantinople,
    Petersburg,
    Istanbul,
    MuirGlacier,
    Berlin,
    London,
    ArrowGlacier,
    GrayGlacier,
    Paris,
    Shanghai,
    Cancun,
    Prague,
    Osaka,
    Bpo1,
    Bpo2,
    Bpo3,
    Bpo4,
    Bpo5,
    /// Amsterdam with EIP-8037 as drafted before 2026-04-20, which public stateless vectors are made with.
    AmsterdamDraft,
    Amsterdam,
}

impl Fork {
    /// Every fork, in order.
    pub const ALL: [Self; 26] = [
        Self::Frontier,
        Self::Homestead,
        Self::DaoFork,
        Self::TangerineWhistle,
        Self::SpuriousDragon,
        Self::Byzantium,
        Self::Constantinople,
        Self::Petersburg,
        Self::Istanbul,
        Self::MuirGlacier,
        Self::Berlin,
        Self::London,
        Self::ArrowGlacier,
        Self::GrayGlacier,
        Self::Paris,
        Self::Shanghai,
        Self::Cancun,
        Self::Prague,
        Self::Osaka,
        Self::Bpo1,
        Self::Bpo2,
        Self::Bpo3,
        Self::Bpo4,
        Self::Bpo5,
        Self::AmsterdamDraft,
        Self::Amsterdam,
    ];

    /// The fork's name as the specifications and test vectors write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Frontier => "Frontier",
            Self::Homestead => "Homestead",
            Self::DaoFork => "DAOFork",
            Self::TangerineWhistle => "TangerineWhistle",
            Self::SpuriousDragon => "SpuriousDragon",
            Self::Byzantium => "Byzantium",
            Self::Constantinople => "Constantinople",
            Self::Petersburg => "ConstantinopleFix",
            Self::Istanbul => "Istanbul",
            Self::MuirGlacier => "MuirGlacier",
            Self::Berlin => "Berlin",
            Self::London => "London",
            Self::ArrowGlacier => "ArrowGlacier",
            Self::GrayGlacier => "GrayGlacier",
            Self::Paris => "Paris",
            Self::Shanghai => "Shanghai",
            Self::Cancun => "Cancun",
            Self::Prague => "Prague",
            Self::Osaka => "Osaka",
            Self::Bpo1 => "BPO1",
            Self::Bpo2 => "BPO2",
            Self::Bpo3 => "BPO3",
            Self::Bpo4 => "BPO4",
            Self::Bpo5 => "BPO5",
            Self::AmsterdamDraft => "AmsterdamDraft",
            Self::Amsterdam => "Amsterdam",
        }
    }

    /// The fork of this name, in any of the spellings in use (`EIP150`, `Merge`, `Petersburg`, ...), any case.
    pub fn from_name(name: &str) -> Option<Self> {
        const ALIASES: [(&str, Fork); 6] = [
            ("EIP150", Fork::TangerineWhistle),
            ("EIP158", Fork::SpuriousDragon),
            ("Petersburg", Fork::Petersburg),
            ("Merge", Fork::Paris),
            ("Tangerine", Fork::TangerineWhistle),
            ("Spurious", Fork::SpuriousDragon),
        ];
        let named = Self::ALL.into_iter().map(|fork| (fork.name(), fork));
        named.chain(ALIASES).find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, fork)| fork)
    }
}

impl core::fmt::Display for Fork {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}
