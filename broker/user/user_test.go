package user_test

import (
	"encoding/base64"
	"testing"

	"nubo/broker/store"
	"nubo/broker/user"
	"nubo/internal/testx"
)

func TestHash(t *testing.T) {
	t.Parallel()
	a, b := user.Hash("secret"), user.Hash("secret")
	if a == b {
		t.Error("two hashes of a password are equal: there is no salt")
	}
	raw, err := base64.StdEncoding.DecodeString(a)
	testx.NoErr(t, err)
	testx.Equal(t, len(raw), 36)
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	changes := 0
	r := user.NewRegistry(store.Memory{}, func() { changes++ })
	testx.NoErr(t, r.Add("nova", "secret", "monitoring"))
	testx.ErrIs(t, r.Add("nova", "secret"), user.ErrExists)
	testx.NoErr(t, r.Authenticate("nova", "secret"))
	for _, wrong := range [][2]string{{"nova", "Secret"}, {"nova", ""}, {"", ""}, {"glance", "secret"}} {
		testx.ErrIs(t, r.Authenticate(wrong[0], wrong[1]), user.ErrRefused)
	}
	testx.NoErr(t, r.SetTags("nova", "administrator"))
	testx.Equal(t, r.List()[0].Tags, []string{"administrator"})
	testx.NoErr(t, r.SetPassword("nova", "new"))
	testx.NoErr(t, r.Authenticate("nova", "new"))
	testx.ErrIs(t, r.SetPassword("glance", "x"), user.ErrUnknown)

	_, ok := r.Permissions("nova", "/")
	testx.Equal(t, ok, false)
	p, err := user.ParsePermissions("^nova", "", ".*")
	testx.NoErr(t, err)
	testx.NoErr(t, r.SetPermissions("nova", "/", p))
	p, ok = r.Permissions("nova", "/")
	testx.Equal(t, ok, true)
	testx.Equal(t, []bool{
		p.Allow(user.Configure, "nova.x"), p.Allow(user.Configure, "x.nova"), p.Allow(user.Write, "nova"), p.Allow(user.Write, ""), p.Allow(user.Read, "x"),
	}, []bool{true, false, false, true, true})
	if _, err := user.ParsePermissions("(", "", ""); err == nil {
		t.Error("a broken pattern was taken")
	}
	testx.NoErr(t, r.Delete("nova"))
	testx.ErrIs(t, r.Authenticate("nova", "new"), user.ErrRefused)
	testx.Equal(t, changes, 2)
}
