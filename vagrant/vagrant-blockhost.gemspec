# frozen_string_literal: true

require_relative "lib/vagrant-blockhost/version"

Gem::Specification.new do |spec|
  spec.name = "vagrant-blockhost"
  spec.version = VagrantPlugins::Blockhost::VERSION
  spec.summary = "Vagrant provider for blockhost-qemu"
  spec.description = "Virtual machines straight on QEMU by blockhost-qemu: no libvirt, no daemon, no gems."
  spec.authors = ["The blockhost-provisioner-qemu authors"]
  spec.homepage = "https://github.com/mwaddip/blockhost"
  spec.license = "MIT"
  spec.required_ruby_version = ">= 3.0"
  spec.files = Dir.chdir(__dir__) { Dir["lib/**/*.rb", "locales/*.yml", "README.md"].sort }
  spec.require_paths = ["lib"]
end
