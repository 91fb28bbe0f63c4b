# frozen_string_literal: true

require "vagrant/util/which"

require_relative "action"
require_relative "answer_timeout"
require_relative "errors"
require_relative "heard_guest"
require_relative "inventory"
require_relative "patient_state"
require_relative "preparing"

module VagrantPlugins
  module Blockhost
    class Provider < Vagrant.plugin("2", :provider)
      QEMU = "qemu-system-x86_64"

      # Told without starting anything: Vagrant asks every provider before every command.
      def self.usable?(raise_error = false)
        which = Vagrant::Util::Which
        raise Errors::ProgramMissing, command: Program::COMMAND unless which.which(Program::COMMAND)
        raise Errors::QemuMissing, command: QEMU unless which.which(QEMU)

        true
      rescue Errors::Base
        raise if raise_error

        false
      end

      def initialize(machine)
        super
        @machine = machine.extend(PatientState, HeardGuest)
      end

      def action(name)
        method = "action_#{name}"
        return Action.public_send(method) if Action.respond_to?(method)

        Action.unsupported(name)
      end

      # Where ssh leads; nil while nobody can tell.
      def ssh_info
        return nil unless state.id == :running

        ssh = description["ssh"] or return nil
        timeout = AnswerTimeout.new(@machine.provider_config.answer_timeout)
        { host: ssh["host"], port: ssh["port"], extra_args: timeout.ssh_options }
      end

      def state
        id, reason = state_and_reason
        key = "vagrant_blockhost.states.#{id}"
        long = I18n.t("#{key}.long", reason: reason, name: @machine.name)
        Vagrant::MachineState.new(id, I18n.t("#{key}.short"), long)
      end

      # What blockhost-qemu says of this machine.
      def description
        Inventory.fetch(@machine.id, ids)
      end

      def to_s
        "blockhost (#{@machine.id || "new"})"
      end

      private

      STATES = { "off" => :off, "running" => :running, "paused" => :paused, "preparing" => :preparing }.freeze
      private_constant :STATES

      # A state that cannot be told is :unknown: for :not_created Vagrant would forget the machine.
      def state_and_reason
        return [Preparing.new(@machine).going_on? ? :preparing : not_created, nil] if @machine.id.nil?

        vm = description
        case vm["state"]
        when "absent" then [Preparing.new(@machine).going_on? ? :preparing : not_created, nil]
        when "unknown" then [vm["interrupted"] == "create" ? :interrupted : :unknown, vm["reason"]]
        else [STATES.fetch(vm["state"], :unknown), vm["reason"]]
        end
      rescue Vagrant::Errors::VagrantError => e
        [:unknown, e.message]
      end

      def not_created
        Vagrant::MachineState::NOT_CREATED_ID
      end

      # Ids of all machines of the project, so that one look tells of them all.
      def ids
        data = @machine.data_dir or return []
        Pathname.glob(data.join("..", "..", "*", data.basename, "id")).map { |file| file.read.strip }.reject(&:empty?)
      rescue Errno::ENOENT
        []
      end
    end
  end
end
