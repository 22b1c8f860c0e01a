//! A disk with a page cache: what is not synced may be lost, torn or there after a power loss.

use std::{cell::RefCell, collections::BTreeMap, io, rc::Rc};

use nicbind::Disk;

use super::{ENOENT, World, errno};

#[derive(Debug, Clone, Default)]
struct Inode {
    bytes: Vec<u8>,
    synced: bool,
}

type Names = BTreeMap<String, usize>;

#[derive(Debug, Default)]
pub struct Platter {
    inodes: Vec<Inode>,
    names: Names,
    /// What the folder held at its last sync, and after each change since then.
    durable: Names,
    since: Vec<Names>,
}

impl Platter {
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.names.get(name).map(|&inode| self.inodes[inode].bytes.as_slice())
    }

    pub fn put(&mut self, name: &str, bytes: &[u8]) {
        self.inodes.push(Inode { bytes: bytes.to_vec(), synced: false });
        self.names.insert(name.to_owned(), self.inodes.len() - 1);
        self.since.push(self.names.clone());
    }

    /// Whether the journal names `text` whatever a power loss leaves.
    pub fn is_durable(&self, text: &str) -> bool {
        let holds = |names: &Names| {
            names.get("bindings.json").is_some_and(|&inode| {
                let inode = &self.inodes[inode];
                inode.synced && String::from_utf8_lossy(&inode.bytes).contains(text)
            })
        };
        holds(&self.durable) && self.since.iter().all(holds)
    }

    /// `chance` decides what is left of all that was not synced.
    pub fn power_loss(&mut self, chance: u64) {
        let choices = self.since.len() + 1;
        let kept = (chance % choices as u64) as usize;
        if let Some(names) = kept.checked_sub(1).map(|at| self.since[at].clone()) {
            self.durable = names;
        }
        self.names = self.durable.clone();
        self.since.clear();
        for (at, inode) in self.inodes.iter_mut().enumerate().filter(|(_, inode)| !inode.synced) {
            match (chance / choices as u64 + at as u64) % 3 {
                0 => inode.bytes.clear(),
                1 => inode.bytes.truncate(inode.bytes.len() / 2),
                _ => {}
            }
            inode.synced = true;
        }
    }
}

#[derive(Debug)]
pub struct FakeDisk(pub Rc<RefCell<World>>);

impl FakeDisk {
    fn change(&mut self, change: impl FnOnce(&mut Platter) -> io::Result<()>) -> io::Result<()> {
        let mut world = self.0.borrow_mut();
        let last = world.effect()?;
        let result = change(&mut world.platter);
        if last { Err(io::Error::other("died after the file operation")) } else { result }
    }
}

impl Disk for FakeDisk {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.borrow().platter.get(name).map(<[u8]>::to_vec))
    }

    fn create(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.change(|platter| {
            platter.put(name, bytes);
            Ok(())
        })
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.change(|platter| {
            let inode = *platter.names.get(name).ok_or(errno(ENOENT))?;
            platter.inodes[inode].synced = true;
            Ok(())
        })
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.change(|platter| {
            let inode = platter.names.remove(from).ok_or(errno(ENOENT))?;
            platter.names.insert(to.to_owned(), inode);
            let names = platter.names.clone();
            platter.since.push(names);
            Ok(())
        })
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        self.change(|platter| {
            platter.durable = platter.names.clone();
            platter.since.clear();
            Ok(())
        })
    }
}
