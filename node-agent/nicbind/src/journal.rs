//! What must survive a crash: for each NIC, what it was before we touched it, and how far we are.

use std::{collections::BTreeMap, io, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Disk, DriverName, PciAddress, Step};

const NAME: &str = "bindings.json";
const TEMPORARY: &str = "bindings.json.new";
const FORMAT: &str = "nicbind-journal";
const VERSION: u32 = 1;

/// One boot of the kernel: the text of `/proc/sys/kernel/random/boot_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootId(String);

impl BootId {
    /// The boot with this id; white space around it is dropped.
    pub fn new(id: &str) -> Self {
        Self(id.trim().to_owned())
    }

    /// The boot that runs now.
    ///
    /// # Errors
    /// When `/proc` is not there.
    pub fn current() -> io::Result<Self> {
        Ok(Self::new(&std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?))
    }
}

/// Which device sits at an address: vendor, device and the subsystem's two, in hexadecimal.
///
/// Addresses move when cards are added; a record must not be played back on another card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceId(pub String);

/// What the interface had before it vanished with its driver. Carried and given back, never looked into.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkFacts {
    /// The interface's name.
    pub interface: Option<String>,
    /// Its MAC address.
    pub mac: Option<String>,
    /// Its MTU in bytes.
    pub mtu: Option<u32>,
    /// Its addresses with prefix lengths.
    pub addresses: Vec<String>,
}

/// What sysfs said before the first write: what is restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Original {
    /// The driver, if there was one.
    pub driver: Option<DriverName>,
    /// `driver_override`, if it was set.
    pub driver_override: Option<DriverName>,
}

/// How far a NIC is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// On its way to `vfio-pci`.
    Binding,
    /// On `vfio-pci`, as wished.
    Bound,
    /// On its way back.
    Restoring,
    /// Back on its first driver; the record waits until the network facts are in force again.
    Restored,
}

/// The record of one NIC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Where it sits.
    pub address: PciAddress,
    /// What sits there.
    pub device: DeviceId,
    /// What is restored. Written once, before the first write to sysfs.
    pub original: Original,
    /// What the caller puts back after the restore.
    pub network: NetworkFacts,
    /// The boot that `state` and `trail` speak of.
    pub boot: BootId,
    /// How far it is.
    pub state: State,
    /// The steps done and read back since `state` was entered, for people who look for what happened.
    pub trail: Vec<Step>,
}

impl Entry {
    /// The same record, at the start of `state` in the boot `boot`.
    pub(crate) fn entering(&self, state: State, boot: &BootId) -> Self {
        Self { state, boot: boot.clone(), trail: Vec::new(), ..self.clone() }
    }
}

/// Why there is no journal to work with. Nothing is touched then: the journal alone knows what to restore.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file operation failed.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Another process has the folder.
    #[error("the journal in {} is held by another process: only one agent may run on a node", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// The file is not a journal.
    #[error(
        "the file is not a binding journal ({why}): move it away if it is not yours, or restore it from a backup"
    )]
    NotAJournal {
        /// What is wrong with its first line.
        why: String,
    },
    /// The file is from another version of the format.
    #[error(
        "the journal has version {found}, this program reads version {VERSION}: run the program that wrote it"
    )]
    Version {
        /// The version it names.
        found: u32,
    },
    /// The content does not match its checksum or contradicts itself.
    #[error(
        "the journal is damaged ({why}): compare /sys/bus/pci/devices/*/driver with what the NICs should have, \
         rebind by hand what is on vfio-pci, then move the journal away"
    )]
    Damaged {
        /// What does not fit.
        why: String,
    },
    /// The journal was written on another machine.
    #[error(
        "the journal belongs to machine {found:?}, this is {expected:?}: \
         give each machine its own folder, or move the journal away if the machine was cloned"
    )]
    Foreign {
        /// The machine it names.
        found: String,
        /// The machine we run on.
        expected: String,
    },
}

/// The first line of the file; the rest is the body.
#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    /// CRC-32 (IEEE 802.3) of the body's bytes.
    crc32: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    machine: String,
    entries: Vec<Entry>,
}

/// The records by address.
type Entries = BTreeMap<PciAddress, Entry>;

/// The file's bytes: one JSON line with format, version and checksum, then the JSON body.
pub fn encode(machine: &str, entries: &BTreeMap<PciAddress, Entry>) -> Vec<u8> {
    let body = Body { machine: machine.to_owned(), entries: entries.values().cloned().collect() };
    // Strings, numbers and lists always have a JSON form.
    let body = serde_json::to_vec_pretty(&body).unwrap_or_default();
    let header = Header { format: FORMAT.to_owned(), version: VERSION, crc32: crc32fast::hash(&body) };
    let mut bytes = serde_json::to_vec(&header).unwrap_or_default();
    bytes.push(b'\n');
    bytes.extend(body);
    bytes
}

/// The records in a file's bytes.
///
/// # Errors
/// Any content that this machine's journal cannot have: see [`JournalError`].
pub fn decode(bytes: &[u8], machine: &str) -> Result<BTreeMap<PciAddress, Entry>, JournalError> {
    let not_a_journal = |why: String| JournalError::NotAJournal { why };
    let damaged = |why: String| JournalError::Damaged { why };
    let split =
        bytes.iter().position(|&b| b == b'\n').ok_or_else(|| not_a_journal("no header line".into()))?;
    let (header, body) = (&bytes[..split], &bytes[split + 1..]);
    let header: Header = serde_json::from_slice(header).map_err(|e| not_a_journal(e.to_string()))?;
    if header.format != FORMAT {
        return Err(not_a_journal(format!("its format is {:?}", header.format)));
    }
    if header.version != VERSION {
        return Err(JournalError::Version { found: header.version });
    }
    let sum = crc32fast::hash(body);
    if sum != header.crc32 {
        return Err(damaged(format!("checksum {sum:08x}, the header says {:08x}", header.crc32)));
    }
    let body: Body = serde_json::from_slice(body).map_err(|e| damaged(e.to_string()))?;
    if body.machine != machine {
        return Err(JournalError::Foreign { found: body.machine, expected: machine.to_owned() });
    }
    let mut entries = Entries::new();
    for entry in body.entries {
        if let Some(twice) = entries.insert(entry.address, entry) {
            return Err(damaged(format!("{} is recorded twice", twice.address)));
        }
    }
    Ok(entries)
}

/// The journal on its disk. Memory never runs ahead of what is durable.
#[derive(Debug)]
pub struct Journal<D> {
    disk: D,
    machine: String,
    entries: Entries,
}

impl<D: Disk> Journal<D> {
    /// Reads the journal of this machine; a missing file is an empty journal.
    ///
    /// `machine` is any text that differs between machines and lasts, such as `/etc/machine-id`.
    ///
    /// # Errors
    /// A damaged or foreign file is never passed over: see [`JournalError`].
    pub fn open(disk: D, machine: &str) -> Result<Self, JournalError> {
        let bytes =
            disk.read(NAME).map_err(|source| JournalError::Io { action: "read the journal", source })?;
        let entries = bytes.map_or_else(|| Ok(Entries::new()), |bytes| decode(&bytes, machine))?;
        Ok(Self { disk, machine: machine.to_owned(), entries })
    }

    /// The record of a NIC.
    pub fn entry(&self, address: PciAddress) -> Option<&Entry> {
        self.entries.get(&address)
    }

    /// All records, by address.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// Records `entry` durably.
    pub(crate) fn put(&mut self, entry: Entry) -> Result<(), JournalError> {
        let mut entries = self.entries.clone();
        entries.insert(entry.address, entry);
        self.replace(entries)
    }

    /// Drops a record durably.
    pub(crate) fn remove(&mut self, address: PciAddress) -> Result<(), JournalError> {
        let mut entries = self.entries.clone();
        entries.remove(&address);
        self.replace(entries)
    }

    /// The file holds either the old records or the new ones at any instant, and the new ones after this returns.
    fn replace(&mut self, entries: Entries) -> Result<(), JournalError> {
        let io = |action| move |source| JournalError::Io { action, source };
        self.disk
            .create(TEMPORARY, &encode(&self.machine, &entries))
            .map_err(io("write the journal's new file"))?;
        self.disk.sync(TEMPORARY).map_err(io("make the journal's new file durable"))?;
        self.disk.rename(TEMPORARY, NAME).map_err(io("put the journal's new file in place"))?;
        self.disk.sync_dir().map_err(io("make the journal's folder durable"))?;
        self.entries = entries;
        Ok(())
    }
}
