package agent_test

import (
	"testing"

	"nubo/compute"
	"nubo/internal/testx"
)

func TestLife(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	id := c.create().ID
	s := c.await(id, compute.Active)
	testx.Equal(t, []string{s.Host, s.Node, s.AZ}, []string{"sim0", "sim0", "nova"})
	testx.Equal(t, s.PowerState, compute.Running)
	testx.Equal(t, len(s.VIFs), 1)
	testx.Equal(t, s.VIFs[0].NetworkName, "private")
	testx.Equal(t, s.VIFs[0].Device, "tap"+s.VIFs[0].PortID[:11])
	testx.Equal(t, s.LaunchedAt != nil, true)
	testx.Equal(t, c.world.left(), [4]int{1, 1, 0, 0})
	testx.NoErr(t, c.svc.Delete(c.ctx, s))
	c.awaitGone(id)
	c.nothingLeft()
}
