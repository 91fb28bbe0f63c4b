# frozen_string_literal: true

begin
  require "vagrant"
rescue LoadError
  raise "vagrant-blockhost is a plugin: it is loaded by Vagrant"
end

module VagrantPlugins
  module Blockhost
    class Plugin < Vagrant.plugin("2")
      name "blockhost"
      description "Virtual machines straight on QEMU, by blockhost-qemu: no libvirt, no daemon."

      provider(:blockhost, parallel: true, box_format: %w[blockhost libvirt], box_optional: true) do
        load_locale
        require_relative "provider"
        Provider
      end

      config(:blockhost, :provider) do
        load_locale
        require_relative "config"
        Config
      end

      provider_capability(:blockhost, :forwarded_ports) do
        require_relative "cap/forwarded_ports"
        Cap::ForwardedPorts
      end

      provider_capability(:blockhost, :snapshot_list) do
        require_relative "cap/snapshot_list"
        Cap::SnapshotList
      end

      def self.load_locale
        file = Blockhost.source_root.join("locales", "en.yml").to_s
        return if I18n.load_path.include?(file)

        I18n.load_path << file
        I18n.reload!
      end
    end
  end
end
