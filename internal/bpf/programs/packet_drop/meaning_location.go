package packet_drop

// receivesTCP are the functions that say, where the kernel gives no reason, neither why nor for which socket TCP threw a
// segment away as soon as it came.
var receivesTCP = map[string]bool{"tcp_v4_rcv": true, "tcp_v6_rcv": true}

const (
	lookAtFirewall  = "nft list ruleset; iptables -nvL; its counters"
	lookAtListening = "ss -lntu: whether the server runs, on that address and port"
	lookAtReader    = "ss -m; nstat -az | grep -i rcvbuf; net.core.rmem_max"
	lookAtRoute     = "ip route get DESTINATION; net.ipv4.ip_forward; net.ipv4.conf.*.rp_filter"
	lookAtNeighbour = "ip neigh; whether that host is up; the VLAN, the switch"

	emptied = "the queues of a socket or a device were emptied as it closed"
)

// locations are the functions that tell what a drop means where the kernel gives no reason: before 5.17 it never does,
// and what 6.1 does not specify it mostly empties.
var locations = map[string]Meaning{
	"sk_stream_kill_queues":  {ClassCleanup, emptied, ""},
	"inet_sock_destruct":     {ClassCleanup, emptied, ""},
	"tcp_v4_destroy_sock":    {ClassCleanup, emptied, ""},
	"tcp_write_queue_purge":  {ClassCleanup, emptied, ""},
	"skb_queue_purge":        {ClassCleanup, emptied, ""},
	"skb_queue_purge_reason": {ClassCleanup, emptied, ""},
	"__skb_queue_purge":      {ClassCleanup, emptied, ""},
	"skb_rbtree_purge":       {ClassCleanup, emptied, ""},
	"tcp_disconnect":         {ClassCleanup, emptied, ""},
	"__tcp_close":            {ClassCleanup, emptied, ""},
	"tcp_close":              {ClassCleanup, emptied, ""},
	"udp_destruct_common":    {ClassCleanup, emptied, ""},
	"udp_destruct_sock":      {ClassCleanup, emptied, ""},
	"udpv6_destruct_sock":    {ClassCleanup, emptied, ""},
	"inet_csk_listen_stop":   {ClassCleanup, emptied, ""},
	"inet_csk_destroy_sock":  {ClassCleanup, emptied, ""},
	"neigh_destroy":          {ClassCleanup, emptied, ""},
	"ip6_mc_input":           {ClassCleanup, "nothing here has joined that multicast group", ""},
	"tcp_rcv_state_process":  {ClassCleanup, "it was read and answered at the beginning or end of a connection", ""},
	"tcp_v4_rcv":             {ClassCleanup, "it came for a connection that has ended, or that its listener had no room for", "nstat -az TcpExtListenOverflows"},
	"tcp_v6_rcv":             {ClassCleanup, "it came for a connection that has ended, or that its listener had no room for", "nstat -az TcpExtListenOverflows"},

	"__udp4_lib_rcv":           {ClassRefused, "no socket is open there", lookAtListening},
	"__udp6_lib_rcv":           {ClassRefused, "no socket is open there", lookAtListening},
	"raw_local_deliver":        {ClassRefused, "nothing here speaks its IP protocol", ""},
	"ip_local_deliver_finish":  {ClassRefused, "nothing here speaks its IP protocol", ""},
	"ip_protocol_deliver_rcu":  {ClassRefused, "nothing here speaks its IP protocol", ""},
	"ip6_protocol_deliver_rcu": {ClassRefused, "nothing here speaks its IP protocol", ""},
	"__netif_receive_skb_core": {ClassRefused, "nothing here handles its Ethernet protocol, or a filter of traffic control drops it", "tcpdump -e; tc -s filter show dev DEVICE ingress"},

	"nf_hook_slow":               {ClassLoss, "a rule of the firewall drops it", lookAtFirewall},
	"nf_hook_slow_list":          {ClassLoss, "a rule of the firewall drops it", lookAtFirewall},
	"__udp_enqueue_schedule_skb": {ClassLoss, "the receive buffer of the socket is full", lookAtReader},
	"udp_queue_rcv_one_skb":      {ClassLoss, "the receive buffer of the socket is full, or a filter of the socket refuses it", lookAtReader},
	"udpv6_queue_rcv_one_skb":    {ClassLoss, "the receive buffer of the socket is full, or a filter of the socket refuses it", lookAtReader},
	"raw_rcv_skb":                {ClassLoss, "the receive buffer of the socket is full", lookAtReader},
	"tcp_add_backlog":            {ClassLoss, "too much waits for a socket that its process is busy with", "nstat -az TcpExtTCPBacklogDrop"},
	"tcp_data_queue":             {ClassLoss, "its data lies outside of the receive window, or has come before", "the receiving process reads too slowly: ss -tm"},
	"tcp_data_queue_ofo":         {ClassLoss, "there was no memory to keep what came out of order, or it has come before", "ss -tm; net.ipv4.tcp_rmem"},
	"tcp_v4_do_rcv":              {ClassLoss, "its checksum is wrong, or the socket does not take it", "nstat -az TcpInErrs"},
	"tcp_v6_do_rcv":              {ClassLoss, "its checksum is wrong, or the socket does not take it", "nstat -az TcpInErrs"},
	"ip_rcv_core":                {ClassLoss, "its IP header makes no sense", "nstat -az IpInHdrErrors; the sender"},
	"ip6_rcv_core":               {ClassLoss, "its IP header makes no sense", "nstat -az Ip6InHdrErrors; the sender"},
	"ip_rcv_finish_core":         {ClassLoss, "no route takes it: none leads there, or its source is none", lookAtRoute},
	"ip_error":                   {ClassLoss, "no route leads to its destination", lookAtRoute},
	"ip_forward":                 {ClassLoss, "it is not forwarded: its TTL is used up, or it is too large", "a loop of routes (traceroute); the MTU of the next link"},
	"ip6_forward":                {ClassLoss, "it is not forwarded: its hop limit is used up, or it is too large", "a loop of routes (traceroute); the MTU of the next link"},
	"ip6_pkt_drop":               {ClassLoss, "no route leads to its destination", "ip -6 route get DESTINATION"},
	"__ip_queue_xmit":            {ClassLoss, "no route leads to its destination", lookAtRoute},
	"ip_fragment":                {ClassLoss, "it is larger than the next link takes and must not be divided", "ip link; tracepath DESTINATION"},
	"ip_do_fragment":             {ClassLoss, "it could not be divided for the next link", "ip link"},
	"ip6_fragment":               {ClassLoss, "it is larger than the next link takes and must not be divided", "ip link; tracepath DESTINATION"},
	"ip_finish_output2":          {ClassLoss, "there was no room for one more neighbour", "ip neigh | wc -l; net.ipv4.neigh.default.gc_thresh3"},
	"ip6_finish_output2":         {ClassLoss, "there was no room for one more neighbour", "ip -6 neigh | wc -l; net.ipv6.neigh.default.gc_thresh3"},
	"arp_error_report":           {ClassLoss, "nobody answers for the next hop's address", lookAtNeighbour},
	"ndisc_error_report":         {ClassLoss, "nobody answers for the next hop's address", lookAtNeighbour},
	"neigh_invalidate":           {ClassLoss, "nobody answers for the next hop's address", lookAtNeighbour},
	"__neigh_event_send":         {ClassLoss, "nobody answers for the next hop's address, or too much waits for it", lookAtNeighbour},
	"ip_frag_queue":              {ClassLoss, "the fragment does not fit to the others", "nstat -az IpReasmFails"},
	"ip_expire":                  {ClassLoss, "other fragments of the packet did not come in time", "nstat -az IpReasmTimeout"},
	"icmp_rcv":                   {ClassLoss, "its ICMP checksum is wrong, or nothing handles it", "nstat -az IcmpInErrors"},
	"enqueue_to_backlog":         {ClassLoss, "the queue of the CPU is full: packets come faster than it handles them", "cat /proc/net/softnet_stat; net.core.netdev_max_backlog"},
	"__dev_queue_xmit":           {ClassLoss, "the queue of the device is full, or a filter of traffic control drops it", lookAtQdisc},
	"kfree_skb_list":             {ClassLoss, "the queue of the device is full", lookAtQdisc},
	"netem_enqueue":              {ClassLoss, "netem drops it on purpose", lookAtQdisc},
	"do_xdp_generic":             {ClassLoss, "an XDP program drops it", "ip link; bpftool net"},
	"netif_receive_generic_xdp":  {ClassLoss, "an XDP program drops it", "ip link; bpftool net"},
	"br_handle_frame":            {ClassCleanup, "the bridge does not pass it on", ""},
	"tun_net_xmit":               {ClassLoss, "the ring of the device is full: its reader is too slow", "the process behind the tap device"},
	"veth_xmit":                  {ClassLoss, "the other end of the pair is down or full", "ip link"},
}
