# frozen_string_literal: true

module VagrantPlugins
  module Blockhost
    # For a machine of Vagrant's. Whoever asks for its state writes that into the index of all machines, which is
    # locked for that moment: another Vagrant that asks then gets an error, and an `up` would end by it
    # (lib/vagrant/machine.rb, lib/vagrant/machine_index.rb of Vagrant 2.3).
    module PatientState
      TRIES = 50
      PAUSE_SECONDS = 0.1

      def state
        tries ||= 0
        super
      rescue Vagrant::Errors::MachineLocked
        raise if (tries += 1) >= TRIES

        sleep(PAUSE_SECONDS)
        retry
      end
    end
  end
end
