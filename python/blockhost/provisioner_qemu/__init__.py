"""Setup wizard and admin pages of the QEMU provisioner."""
