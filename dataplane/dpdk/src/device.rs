//! A port of DPDK as the driver sees it: plugged, checked, configured, unplugged.

use std::sync::{Mutex, PoisonError};

use dpdk_sys::{rte_eth_conf, rte_eth_dev_info};

use crate::eal::Eal;
use crate::error::{Errno, Error};
use crate::eth::PortConfig;
use crate::mbuf::PrivateArea;
use crate::names::c_string;
use crate::pool::PacketPool;

/// A device that DPDK has probed; closes and unplugs it when dropped.
pub(crate) struct Device {
    pub(crate) port: u16,
    bus: &'static str,
    pub(crate) name: String,
    own_max_mtu: Option<u16>,
    _eal: Eal,
}

/// Devices are made and removed one at a time.
static HOTPLUG: Mutex<()> = Mutex::new(());

impl Device {
    pub(crate) fn plug(
        eal: &Eal,
        bus: &'static str,
        name: &str,
        arguments: &str,
        own_max_mtu: Option<u16>,
    ) -> Result<Self, Error> {
        let subject = || format!("{name} with {arguments:?}");
        let c_bus = c_string("bus", bus)?;
        let (c_name, c_arguments) =
            (c_string("device name", name)?, c_string("device arguments", arguments)?);
        let one_at_a_time = HOTPLUG.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: three C strings, which DPDK copies.
        let result =
            unsafe { dpdk_sys::rte_eal_hotplug_add(c_bus.as_ptr(), c_name.as_ptr(), c_arguments.as_ptr()) };
        drop(one_at_a_time);
        Errno::check(result).map_err(|errno| Error::call("rte_eal_hotplug_add", subject(), errno))?;
        Self::find(eal, bus, name, own_max_mtu)
    }

    pub(crate) fn find(
        eal: &Eal,
        bus: &'static str,
        name: &str,
        own_max_mtu: Option<u16>,
    ) -> Result<Self, Error> {
        let c_name = c_string("device name", name)?;
        let mut port = 0;
        // SAFETY: a C string, and a number to write to.
        let result = unsafe { dpdk_sys::rte_eth_dev_get_port_by_name(c_name.as_ptr(), &raw mut port) };
        Errno::check(result).map_err(|errno| Error::call("rte_eth_dev_get_port_by_name", name, errno))?;
        Ok(Self { port, bus, name: name.to_owned(), own_max_mtu, _eal: eal.clone() })
    }

    pub(crate) fn check_call(&self, call: &'static str, f: impl FnOnce(u16) -> i32) -> Result<(), Error> {
        Errno::check(f(self.port)).map(drop).map_err(|errno| Error::call(call, self.name.as_str(), errno))
    }

    pub(crate) fn info(&self) -> Result<rte_eth_dev_info, Error> {
        let mut info = rte_eth_dev_info::default();
        self.check_call("rte_eth_dev_info_get", |port| {
            // SAFETY: `info` is ours.
            unsafe { dpdk_sys::rte_eth_dev_info_get(port, &raw mut info) }
        })?;
        Ok(info)
    }

    /// Whether the device and the pool can do what is asked; returns the MTU to configure.
    pub(crate) fn check(
        &self,
        config: &PortConfig,
        info: &rte_eth_dev_info,
        frame_room: usize,
    ) -> Result<u16, Error> {
        if config.rx_queues > info.max_rx_queues || config.tx_queues > info.max_tx_queues {
            return Err(Error::TooManyQueues {
                port: self.name.clone(),
                rx: config.rx_queues,
                tx: config.tx_queues,
                rx_max: info.max_rx_queues,
                tx_max: info.max_tx_queues,
            });
        }
        let stated = max_mtu(info);
        let max = self.own_max_mtu.map_or(stated, u32::from);
        if u32::from(config.mtu) > max {
            return Err(Error::MtuTooLarge { port: self.name.clone(), mtu: config.mtu, max });
        }
        let needed = usize::from(config.mtu) + dpdk_sys::RTE_ETHER_HDR_LEN as usize;
        if needed > frame_room {
            return Err(Error::PoolTooSmall { mtu: config.mtu, needed, room: frame_room });
        }
        Ok(u16::try_from(stated).map_or(config.mtu, |stated| config.mtu.min(stated)))
    }

    pub(crate) fn configure(
        &self,
        config: &PortConfig,
        info: &rte_eth_dev_info,
        mtu: u16,
    ) -> Result<(), Error> {
        let mut conf = rte_eth_conf::default();
        conf.rxmode.mtu = u32::from(mtu);
        if config.rx_queues > 1 && info.flow_type_rss_offloads != 0 {
            conf.rxmode.mq_mode = dpdk_sys::rte_eth_rx_mq_mode::RTE_ETH_MQ_RX_RSS;
            conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads;
        }
        self.check_call("rte_eth_dev_configure", |port| {
            // SAFETY: `conf` is ours, and DPDK copies it.
            unsafe {
                dpdk_sys::rte_eth_dev_configure(port, config.rx_queues, config.tx_queues, &raw const conf)
            }
        })
    }

    pub(crate) fn set_up_queues<P: PrivateArea>(
        &self,
        config: &PortConfig,
        pool: &PacketPool<P>,
    ) -> Result<(), Error> {
        let (mut rx, mut tx) = (config.rx_descriptors, config.tx_descriptors);
        self.check_call("rte_eth_dev_adjust_nb_rx_tx_desc", |port| {
            // SAFETY: two numbers of ours.
            unsafe { dpdk_sys::rte_eth_dev_adjust_nb_rx_tx_desc(port, &raw mut rx, &raw mut tx) }
        })?;
        // SAFETY: a valid port.
        let socket = unsafe { dpdk_sys::rte_eth_dev_socket_id(self.port) }.cast_unsigned();
        let defaults = std::ptr::null();
        for queue in 0..config.rx_queues {
            self.check_call("rte_eth_rx_queue_setup", |port| {
                // SAFETY: the pool outlives the device: `Running` holds it.
                unsafe {
                    dpdk_sys::rte_eth_rx_queue_setup(port, queue, rx, socket, std::ptr::null(), pool.raw())
                }
            })?;
        }
        for queue in 0..config.tx_queues {
            self.check_call("rte_eth_tx_queue_setup", |port| {
                // SAFETY: plain values; the driver's defaults.
                unsafe { dpdk_sys::rte_eth_tx_queue_setup(port, queue, tx, socket, defaults) }
            })?;
        }
        Ok(())
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let names = (c_string("bus", self.bus), c_string("device name", &self.name));
        let _one_at_a_time = HOTPLUG.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: stopped, if it ever was started, and nobody has a handle any more.
        unsafe { dpdk_sys::rte_eth_dev_close(self.port) };
        if let (Ok(bus), Ok(name)) = names {
            // SAFETY: two C strings.
            unsafe { dpdk_sys::rte_eal_hotplug_remove(bus.as_ptr(), name.as_ptr()) };
        }
    }
}

/// The largest MTU by the device's own word, as `rte_eth_dev_configure` reckons it.
fn max_mtu(info: &rte_eth_dev_info) -> u32 {
    let max_mtu = u32::from(info.max_mtu);
    if info.max_mtu != u16::MAX && info.max_rx_pktlen > max_mtu {
        return max_mtu;
    }
    let overhead = dpdk_sys::RTE_ETHER_HDR_LEN + dpdk_sys::RTE_ETHER_CRC_LEN;
    max_mtu.min(info.max_rx_pktlen.saturating_sub(overhead))
}
