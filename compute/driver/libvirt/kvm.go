package libvirt

import (
	"fmt"
	"os"
	"path/filepath"

	"nubo/internal/fault"
)

// kvmPaths is where the kernel shows its KVM.
type kvmPaths struct{ device, modules string }

var hostKVM = kvmPaths{device: "/dev/kvm", modules: "/sys/module"}

// chooseVirtType decides between "kvm" and "qemu" (emulation), and why.
//
// That the device exists proves nothing: some kernels offer a KVM that
// interprets the guest's kernel instruction by instruction and leaves guests
// hanging. One that works shows a hardware module beside the device.
func chooseVirtType(configured string, host kvmPaths) (virtType, reason string, err error) {
	switch configured {
	case "kvm", "qemu":
		return configured, "configured", nil
	case "", "auto":
	default:
		return "", "", fault.Invalidf("virt_type must be kvm, qemu or auto, not %q", configured)
	}
	device, err := os.OpenFile(host.device, os.O_RDWR, 0)
	if err != nil {
		return "qemu", fmt.Sprintf("KVM cannot be used: %v", err), nil
	}
	device.Close()
	for _, module := range []string{"kvm_intel", "kvm_amd"} {
		if _, err := os.Stat(filepath.Join(host.modules, module)); err == nil {
			return "kvm", host.device + " opens and " + module + " is there", nil
		}
	}
	return "qemu", host.device + " opens but neither kvm_intel nor kvm_amd is there", nil
}
