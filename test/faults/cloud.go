// Package faults holds a cloud against its promises while it is broken: users
// make and change servers all the time, the cloud or a part of it is killed,
// and when it is back everything that was acknowledged has happened, once,
// and nothing is left that belongs to nobody.
//
//	cloud.go     the cloud as its users see it
//	load.go      the users, and what each was promised
//	check.go     what has to hold when nobody asks for anything
//	kill_test.go kill -9 of the whole process
//
// The modules of one process are stopped and started by app's own tests,
// which use the same users and the same checks.
package faults

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"nubo/sdk/compute"
	"nubo/sdk/identity"
	"nubo/sdk/image"
	"nubo/sdk/network"
	"nubo/sdk/placement"
	"nubo/sdk/rest"
	"nubo/sdk/volume"
)

// Cloud is a simulated cloud, from outside.
type Cloud struct {
	dir  string
	http *http.Client

	compute   compute.Client
	network   network.Client
	volume    volume.Client
	image     image.Client
	placement placement.Client

	flavor, imageID string
	networks        []string
}

// Environment is the configuration the checks need: no quotas in the way, and
// what is looked for now and then is looked for soon.
func Environment() map[string]string {
	return map[string]string{
		"NUBO_QUOTA_INSTANCES": "-1", "NUBO_QUOTA_CORES": "-1", "NUBO_QUOTA_RAM": "-1", "NUBO_QUOTAS_QUOTA_PORT": "-1",
		"NUBO_VOLUME_QUOTA_VOLUMES": "-1", "NUBO_VOLUME_QUOTA_GIGABYTES": "-1",
		"NUBO_CONDUCTOR_RECOVERY_INTERVAL": "1s", "NUBO_CONDUCTOR_ORPHAN_INTERVAL": "2s", "NUBO_COMPUTE_RECOVERY_INTERVAL": "1s",
	}
}

// Open knows a cloud by the addresses of its services, its administrator's
// password and its data directory.
func Open(url func(port int) string, password, dir string) *Cloud {
	h := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}, Timeout: 30 * time.Second}
	tokens := &identity.PasswordTokens{AuthURL: url(5000) + "/v3", Username: "admin", Password: password, Domain: "Default", Project: "admin", HTTP: h}
	at := func(port int, path, version string) *rest.Client {
		return &rest.Client{Endpoint: url(port) + path, Tokens: tokens, Version: version, HTTP: h}
	}
	return &Cloud{
		dir: dir, http: h,
		compute:   compute.Client{Client: at(8774, "/v2.1", compute.Version)},
		network:   network.Client{Client: at(9696, "", "")},
		volume:    volume.Client{Client: at(8776, "/v3", volume.APIVersion)},
		image:     image.Client{Client: at(9292, "", "")},
		placement: placement.Client{Client: at(8778, "", "")},
	}
}

// Close lets go of the connections.
func (c *Cloud) Close() { c.http.CloseIdleConnections() }

// Prepare makes what servers are made of.
func (c *Cloud) Prepare(ctx context.Context) error {
	var flavor struct{ Flavor struct{ ID string } }
	err := c.compute.Post(ctx, "/flavors", object{"flavor": object{"name": "faults", "ram": 64, "vcpus": 1, "disk": 1}}, &flavor)
	if err != nil {
		return err
	}
	c.flavor = flavor.Flavor.ID
	img, err := c.image.Create(ctx, image.Create{Name: "faults", DiskFormat: "raw", ContainerFormat: "bare"})
	if err != nil {
		return err
	}
	c.imageID = img.ID
	if err := c.image.Upload(ctx, img.ID, bytes.NewReader(make([]byte, 64<<10))); err != nil {
		return err
	}
	for _, cidr := range []string{"10.1.0.0/16", "10.2.0.0/16"} {
		var out struct{ Network struct{ ID string } }
		if err := c.network.Post(ctx, "/v2.0/networks", object{"network": object{"name": "faults"}}, &out); err != nil {
			return err
		}
		c.networks = append(c.networks, out.Network.ID)
		in := object{"subnet": object{"network_id": out.Network.ID, "ip_version": 4, "cidr": cidr}}
		if err := c.network.Post(ctx, "/v2.0/subnets", in, nil); err != nil {
			return err
		}
	}
	return nil
}

type object = map[string]any
