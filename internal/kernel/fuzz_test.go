package kernel

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

// FuzzBTF asks of any BTF what kerntap asks of the kernel's: whatever a module or a broken kernel says, the answer is one
// or an error.
func FuzzBTF(f *testing.F) {
	seed := func(types ...btf.Type) {
		builder, err := btf.NewBuilder(types, nil)
		if err != nil {
			f.Fatal(err)
		}
		raw, err := builder.Marshal(nil, nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	u32 := &btf.Int{Name: "unsigned int", Size: 4}
	buffer := &btf.Struct{Name: "sk_buff", Size: 4, Members: []btf.Member{{Name: "len", Type: u32}}}
	function := &btf.FuncProto{Return: &btf.Void{}, Params: []btf.FuncParam{
		{Name: "ctx", Type: &btf.Pointer{Target: &btf.Void{}}}, {Name: "skb", Type: &btf.Pointer{Target: buffer}}}}
	seed(u32)
	seed(&btf.Enum{Name: "skb_drop_reason", Size: 4, Values: []btf.EnumValue{{Name: "SKB_DROP_REASON_NO_SOCKET", Value: 3}}},
		&btf.Enum{Name: "skb_drop_reason_subsys", Size: 4, Values: []btf.EnumValue{{Name: "SKB_DROP_REASON_SUBSYS_CORE"}}})
	seed(&btf.Typedef{Name: "btf_trace_kfree_skb", Type: &btf.Pointer{Target: function}})
	seed(&btf.Typedef{Name: "btf_trace_kfree_skb", Type: u32}, &btf.Func{Name: "tcp_v4_rcv", Type: function})
	f.Fuzz(func(t *testing.T, raw []byte) {
		types, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
		if err != nil {
			return
		}
		if enum, err := LoadEnum(types, "skb_drop_reason", "SKB_DROP_REASON_"); err == nil {
			for value, name := range enum.Values() {
				if again, ok := enum.Name(value); !ok || again == "" && name != "" {
					t.Errorf("%d is %q, and then %q", value, name, again)
				}
			}
		}
		if reasons, err := LoadReasonNames(types); err == nil && reasons == nil {
			t.Error("neither names nor an error")
		}
		if args, err := RawTracepointArgs(types, "kfree_skb"); err == nil && args < 0 {
			t.Errorf("%d arguments", args)
		}
		HasFunction(types, "tcp_v4_rcv")
		HasTracepoint(types, "kfree_skb")
	})
}

// FuzzSymbols reads any file as the kernel's symbols and looks up any address in it.
func FuzzSymbols(f *testing.F) {
	f.Add("ffffffff81000000 T tcp_v4_rcv\nffffffff81000400 t sk_stream_kill_queues\t[tcp]\n", uint64(0xffffffff81000123))
	f.Add("ffffffff81000000 T a\nffffffff81000000 W b\n", uint64(1))
	f.Add("0000000000000000 T hidden\n", uint64(0))
	f.Add("ffffffffffffffff T "+strings.Repeat("n", 5000), ^uint64(0))
	f.Fuzz(func(t *testing.T, file string, address uint64) {
		table := newSymbolTable(8)
		if err := table.read(strings.NewReader(file)); err != nil {
			return
		}
		location, ok := table.symbols().Locate(address)
		if ok && (location == "" || strings.ContainsAny(location, "\n")) {
			t.Errorf("%#x is at %q", address, location)
		}
	})
}
