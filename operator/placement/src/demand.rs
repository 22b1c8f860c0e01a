//! What a chain asks of a node.

use std::collections::BTreeMap;

use hummingbird_crds::api::{
    ChainReference, Compute, CpuPolicy, Direction, NfChain, PlacementMode, Port, Quantity, SecurityMode,
};

use crate::{policy::NicSelector, refusal::Refusal};

/// What a core under `cpuPolicy: Shared` requests, thousandths of a core.
pub const SHARED_MILLICORES: u64 = 100;
/// DPDK's heap beside packets and tables, MiB: devices, rings, pool headers.
const HEAP_MIB: u64 = 96;
/// Packets of a port and of a core: descriptors, caches, credit.
const PACKETS_PER_PORT: u64 = 2048;
/// An mbuf's metadata, head room and tail room, bytes.
const MBUF_OVERHEAD: u64 = 512;
/// Memory of the process beside its tables, MiB.
const PROCESS_MIB: u64 = 256;
/// Table memory where the chain says nothing, MiB; the dataplane's default.
const TABLE_MIB: u64 = 256;
/// A hugepage, bytes.
const PAGE: u64 = 2 << 20;

/// What a chain asks of a node.
#[derive(Clone, Debug, PartialEq)]
pub struct ChainDemand {
    /// `metadata.uid`; `namespace/name` for a chain that no API server has seen.
    pub uid: String,
    /// Its namespace and name.
    pub chain: ChainReference,
    /// When it was created, RFC 3339 in UTC: the older chain is placed first.
    pub created: String,
    /// Its ports.
    pub ports: Vec<PortDemand>,
    /// Persistent workgroups of all its functions.
    pub workgroups: u32,
    /// CPU cores.
    pub cores: u32,
    /// The chain does not say how many cores: where they are shared, fewer do.
    pub fewer_cores_do: bool,
    /// Whether it wants them for itself.
    pub cpu_policy: CpuPolicy,
    /// Memory in hugepages.
    pub hugepages: HugepageDemand,
    /// Ordinary memory, bytes.
    pub memory: u64,
    /// Rights of the dataplane's pod.
    pub security_mode: SecurityMode,
    /// Labels that a node must have.
    pub node_selector: BTreeMap<String, String>,
    /// On how many nodes it runs.
    pub mode: PlacementMode,
    /// It sends on security associations, which no second sender may share.
    pub encrypts: bool,
}

/// Memory in hugepages, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HugepageDemand {
    /// The chain says so: without them it does not run.
    Exactly(u64),
    /// An estimate: where they are not free it runs on ordinary pages, slower.
    IfFree(u64),
}

/// A port and the NIC that it asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortDemand {
    /// Its name.
    pub name: String,
    /// Which NIC.
    pub nic: NicDemand,
}

/// Which NIC a port asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NicDemand {
    /// A PCI device, taken from its kernel driver.
    Pci(NicSelector),
    /// An interface that stays with the kernel.
    Kernel(String),
}

impl ChainDemand {
    /// The demand of a chain that validation has accepted.
    ///
    /// # Errors
    /// [`Refusal::InvalidQuantity`], for an amount of memory that is none.
    pub fn of(chain: &NfChain) -> Result<Self, Refusal> {
        let metadata = &chain.metadata;
        let reference = ChainReference {
            namespace: metadata.namespace.clone().unwrap_or_else(|| "default".into()),
            name: metadata.name.clone().unwrap_or_default(),
        };
        let (spec, dataplane) = (&chain.spec, &chain.spec.dataplane);
        let (mut workgroups, mut instances) = (0, 0);
        for function in &spec.functions {
            match function.compute {
                Compute::Gpu => workgroups += function.workgroups.unwrap_or(1).unsigned_abs(),
                Compute::Cpu => instances += function.cores.unwrap_or(1).unsigned_abs(),
            }
        }
        // One I/O core, one CPUSyncer where there is a GPU function, and the CPU instances.
        let roles = 1 + u32::from(workgroups > 0) + instances;
        let cores = dataplane.cores.map_or(roles, i32::unsigned_abs);
        let tables = bytes("tableMemory", dataplane.table_memory.as_ref())?.unwrap_or(TABLE_MIB << 20);
        let hugepages = match bytes("hugepages", dataplane.hugepages.as_ref())? {
            Some(asked) => HugepageDemand::Exactly(whole_pages(asked)),
            None => HugepageDemand::IfFree(whole_pages(estimate(&spec.ports, cores))),
        };
        let encrypts = |direction| direction == Direction::Encrypt;
        let placement = spec.placement.clone().unwrap_or_default();
        Ok(Self {
            uid: metadata.uid.clone().unwrap_or_else(|| reference.to_string()),
            chain: reference,
            created: metadata.creation_timestamp.as_ref().map_or_else(String::new, |at| at.0.to_string()),
            ports: spec.ports.iter().map(PortDemand::of).collect(),
            workgroups,
            cores,
            fewer_cores_do: dataplane.cores.is_none(),
            cpu_policy: dataplane.cpu_policy,
            hugepages,
            memory: (PROCESS_MIB << 20).saturating_add(tables),
            security_mode: dataplane.security_mode,
            node_selector: placement.node_selector,
            mode: placement.mode,
            encrypts: spec.functions.iter().any(|f| f.ipsec.as_ref().is_some_and(|i| encrypts(i.direction))),
        })
    }
}

/// DPDK's heap and the packet pool.
fn estimate(ports: &[Port], cores: u32) -> u64 {
    let mtu = ports.iter().map(|port| port.mtu.unsigned_abs()).max().unwrap_or(1500);
    let packets = PACKETS_PER_PORT * (ports.len() as u64 + u64::from(cores));
    (HEAP_MIB << 20) + packets * (u64::from(mtu) + MBUF_OVERHEAD)
}

fn whole_pages(bytes: u64) -> u64 {
    bytes.div_ceil(PAGE).saturating_mul(PAGE)
}

fn bytes(field: &'static str, quantity: Option<&Quantity>) -> Result<Option<u64>, Refusal> {
    let Some(quantity) = quantity else { return Ok(None) };
    let invalid = || Refusal::InvalidQuantity { field, text: quantity.0.to_string() };
    quantity.bytes().map(Some).ok_or_else(invalid)
}

impl PortDemand {
    fn of(port: &Port) -> Self {
        let nic = match (&port.pci, &port.kernel) {
            (_, Some(kernel)) => NicDemand::Kernel(kernel.interface.clone()),
            (pci, None) => {
                let pci = pci.clone();
                let address = pci.as_ref().and_then(|pci| pci.address.clone());
                let selector = pci.and_then(|pci| pci.selector).unwrap_or_default();
                NicDemand::Pci(NicSelector {
                    pci_address: address,
                    interface_name: selector.interface_name,
                    mac: selector.mac,
                    vendor: selector.vendor,
                    device: selector.device,
                    numa_node: selector.numa_node,
                })
            }
        };
        Self { name: port.name.clone(), nic }
    }
}

impl std::fmt::Display for NicDemand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let selector = match self {
            Self::Kernel(interface) => return write!(f, "interface {interface}"),
            Self::Pci(selector) => selector,
        };
        f.write_str("a PCI device")?;
        let node = selector.numa_node.map(|node| node.to_string());
        for (what, value) in [
            ("address", &selector.pci_address),
            ("interface", &selector.interface_name),
            ("MAC", &selector.mac),
            ("vendor", &selector.vendor),
            ("device", &selector.device),
            ("NUMA node", &node),
        ] {
            if let Some(value) = value {
                write!(f, ", {what} {value}")?;
            }
        }
        Ok(())
    }
}
