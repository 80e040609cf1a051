package main

import (
	"context"
	"encoding/binary"
	"net"
	"strconv"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sync/errgroup"
)

// lossOf is that one packet in so many is lost.
const lossOf = 5

// trouble adds and removes rules of the firewall of its network namespace, which is the API's.
func trouble(ctx context.Context, s shop) error {
	_, text, err := net.SplitHostPort(s.address)
	if err != nil {
		return err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	block := table{"shop-blocked", nftables.ChainHookOutput, drop(matchPort(2, uint16(port))...)} // to the database
	lose := table{"shop-lossy", nftables.ChainHookInput, drop(append(matchPort(0, uint16(port)), oneIn(lossOf)...)...)}
	group.Go(func() error { return s.during(ctx, blocked, block.add, block.remove) })
	group.Go(func() error { return s.during(ctx, lossy, lose.add, lose.remove) })
	return group.Wait()
}

// table is a table of the firewall with one rule.
type table struct {
	name string
	hook *nftables.ChainHook
	rule []expr.Any
}

func (t table) add() error {
	c := &nftables.Conn{}
	in := c.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: t.name})
	chain := c.AddChain(&nftables.Chain{Name: "chain", Table: in, Type: nftables.ChainTypeFilter, Hooknum: t.hook,
		Priority: nftables.ChainPriorityFilter})
	c.AddRule(&nftables.Rule{Table: in, Chain: chain, Exprs: t.rule})
	return c.Flush()
}

func (t table) remove() error {
	c := &nftables.Conn{}
	c.DelTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: t.name})
	return c.Flush()
}

// matchPort matches TCP with a port at an offset of its header: 0 is the source's, 2 the destination's.
func matchPort(offset uint32, port uint16) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{6}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binary.BigEndian.AppendUint16(nil, port)},
	}
}

// oneIn matches one packet in n, by chance.
func oneIn(n uint32) []expr.Any {
	return []expr.Any{
		&expr.Numgen{Register: 1, Modulus: n, Type: 1}, // 1: random
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(0)},
	}
}

// drop counts and drops what matches.
func drop(matches ...expr.Any) []expr.Any {
	return append(matches, &expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop})
}
