# frozen_string_literal: true

require "vagrant/action/builder"

Dir[File.join(__dir__, "action", "*.rb")].sort.each { |file| require file }

module VagrantPlugins
  module Blockhost
    # What each action of Vagrant's is made of. Vagrant's own middleware does what is not ours: boxes,
    # validation, provisioning, folders, host name, waiting for ssh.
    module Action
      # A busy host may once not tell in time that the guest, which has not answered yet, is running.
      BOOTING = %i[running unknown].freeze

      class << self
        include Vagrant::Action::Builtin

        def action_up
          build do |b|
            b.use Call, IsState, :interrupted do |env, b2|
              b2.use CleanUp if env[:result]
            end
            b.use Call, IsState, :not_created do |env, b2|
              b2.use HandleBox if env[:result]
            end
            b.use FoldersSupported
            b.use ConfigValidate
            b.use StateKnown
            b.use action_start
          end
        end

        # Brings a machine up that is there or not, whatever it is doing.
        def action_start
          build do |b|
            b.use BoxCheckOutdated
            b.use Call, IsState, :running do |env, b2|
              if env[:result]
                b2.use Limits
                next b2.use action_provision
              end
              b2.use Call, IsState, :paused do |env2, b3|
                b3.use env2[:result] ? action_resume : action_boot
              end
            end
          end
        end

        def action_boot
          build do |b|
            b.use Provision
            b.use OwnSshPort
            b.use EnvSet, port_collision_repair: true, port_collision_port_check: PortCheck
            b.use HandleForwardedPortCollisions
            b.use FolderTypes
            b.use SyncedFolderCleanup
            b.use SyncedFolders
            b.use SetHostname
            b.use Call, IsState, :not_created do |env, b2|
              b2.use EnsureTemplate if env[:result]
              b2.use env[:result] ? Create : Start
              b2.use Limits
              b2.use BootPatience
              b2.use WaitForCommunicator, BOOTING
              b2.use GuestNetworks
            end
          end
        end

        def action_halt
          when_created do |b|
            b.use Call, IsState, :paused do |env, b2|
              b2.use Resume if env[:result] && !env[:force_halt]
            end
            b.use Call, GuestHalt do |env, b2|
              b2.use Halt unless env[:result]
            end
          end
        end

        def action_reload
          when_created do |b|
            b.use FoldersSupported
            b.use ConfigValidate
            b.use action_halt
            b.use action_start
          end
        end

        def action_destroy
          when_created do |b|
            b.use Call, DestroyConfirm do |env, b2|
              next b2.use Message, I18n.t("vagrant.commands.destroy.will_not_destroy", name: env[:machine].name) unless
                env[:result]

              b2.use ProvisionerCleanup, :before
              b2.use Destroy
              b2.use SyncedFolderCleanup
            end
          end
        end

        def action_provision
          when_running do |b|
            b.use ConfigValidate
            b.use Provision
          end
        end

        def action_ssh
          build do |b|
            b.use MustRun
            b.use OpenSession
            b.use SSHExec
          end
        end

        def action_ssh_run
          build do |b|
            b.use MustRun
            b.use OpenSession
            b.use SSHRun
          end
        end

        def action_suspend
          when_created { |b| b.use Suspend }
        end

        def action_resume
          when_created do |b|
            b.use Call, IsState, :paused do |env, b2|
              next b2.use NotPaused unless env[:result]

              b2.use Provision
              b2.use Resume
              b2.use WaitForCommunicator, BOOTING
            end
          end
        end

        def action_snapshot_save
          when_created { |b| b.use Snapshot, "create" }
        end

        def action_snapshot_delete
          when_created { |b| b.use Snapshot, "delete" }
        end

        # The disks go back, so the machine is off in between: what it does is lost anyway.
        def action_snapshot_restore
          when_created do |b|
            b.use EnvSet, force_halt: true
            b.use action_halt
            b.use Snapshot, "restore"
            b.use Call, IsEnvSet, :snapshot_delete do |env, b2|
              b2.use Snapshot, "delete" if env[:result]
            end
            b.use Call, IsEnvSet, :snapshot_start do |env, b2|
              b2.use action_start if env[:result]
            end
          end
        end

        def action_package
          when_created do |b|
            b.use Vagrant::Action::General::PackageSetupFolders
            b.use Vagrant::Action::General::PackageSetupFiles
            b.use action_halt
            b.use Vagrant::Action::General::Package
            b.use ExportBox
          end
        end

        # Folders of a machine that runs, without a reboot.
        def action_sync_folders
          build do |b|
            b.use FolderTypes
            b.use SyncedFolders
          end
        end

        # For everything else that Vagrant, or another plugin, may ask for.
        def unsupported(name)
          build { |b| b.use Unsupported, name }
        end

        private

        def build(&block)
          Vagrant::Action::Builder.new.tap(&block)
        end

        def when_created
          build do |b|
            b.use Call, IsState, :not_created do |env, b2|
              next b2.use Message, I18n.t("vagrant.commands.common.vm_not_created") if env[:result]

              # Another command has begun to make it, and has not given it a name yet.
              b2.use StateKnown if env[:machine].id.nil?

              yield b2
            end
          end
        end

        def when_running
          when_created do |b|
            b.use Call, IsState, :running do |env, b2|
              next b2.use Message, I18n.t("vagrant.commands.common.vm_not_running") unless env[:result]

              yield b2
            end
          end
        end
      end
    end
  end
end
