# frozen_string_literal: true

require "vagrant/util/keypair"

module VagrantPlugins
  module Blockhost
    # The account Vagrant logs in by, and the public keys that open it.
    class Login
      def initialize(machine, cloud_init:)
        @machine = machine
        @cloud_init = cloud_init
      end

      def user
        ssh = @machine.config.ssh
        ssh.username || ssh.default.username
      end

      # Where cloud-init runs, it brings a key of this machine's own, and Vagrant need not replace any.
      # Elsewhere the box holds Vagrant's well-known key, which Vagrant replaces when it is in.
      def public_keys
        return own_keys if own_key?

        configured = Array(@machine.config.ssh.private_key_path).map { |file| "#{File.expand_path(file)}.pub" }
        [insecure_key, *configured.select { |file| File.file?(file) }.map { |file| File.read(file).strip }]
      end

      private

      def own_key?
        ssh = @machine.config.ssh
        @cloud_init && ssh.insert_key && !ssh.private_key_path && !ssh.password
      end

      # Vagrant looks for it under this name (Vagrant::Machine#ssh_info).
      def own_keys
        _public, private_key, openssh = Vagrant::Util::Keypair.create
        file = @machine.data_dir.join("private_key")
        file.open("w", 0o600) { |io| io.write(private_key) }
        [openssh]
      end

      def insecure_key
        Vagrant.source_root.join("keys", "vagrant.pub").read.strip
      end
    end
  end
end
