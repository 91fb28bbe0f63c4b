# -*- encoding: utf-8 -*-
# stub: vagrant-blockhost 0.1.0 ruby lib

Gem::Specification.new do |s|
  s.name = "vagrant-blockhost".freeze
  s.version = "0.1.0"

  s.required_rubygems_version = Gem::Requirement.new(">= 0".freeze) if s.respond_to? :required_rubygems_version=
  s.require_paths = ["lib".freeze]
  s.authors = ["The blockhost-provisioner-qemu authors".freeze]
  s.date = "2026-11-25"
  s.description = "Virtual machines straight on QEMU by blockhost-qemu: no libvirt, no daemon, no gems.".freeze
  s.homepage = "https://github.com/mwaddip/blockhost".freeze
  s.licenses = ["MIT".freeze]
  s.required_ruby_version = Gem::Requirement.new(">= 3.0".freeze)
  s.rubygems_version = "3.3.15".freeze
  s.summary = "Vagrant provider for blockhost-qemu".freeze

  s.installed_by_version = "3.3.15" if s.respond_to? :installed_by_version
end
