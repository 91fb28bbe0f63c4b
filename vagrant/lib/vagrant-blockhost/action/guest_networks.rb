# frozen_string_literal: true

require_relative "middleware"
require_relative "../guest_call"
require_relative "../recipe"

module VagrantPlugins
  module Blockhost
    module Action
      # Gives further cards their addresses where cloud-init has not: in boxes that do not have it. From here
      # on the machine is up.
      class GuestNetworks < Middleware
        def call(env)
          recipe = Recipe.new(env[:machine])
          networks = recipe.network.guest_networks
          configure(env, networks) unless recipe.cloud_init? || networks.empty?
          env[:blockhost_is_up] = true
          @app.call(env)
        end

        private

        def configure(env, networks)
          env[:ui].info(I18n.t("vagrant.actions.vm.network.configuring"))
          done = GuestCall.run(env, env[:machine].config.vm.boot_timeout) do
            env[:machine].guest.capability(:configure_networks, networks)
          end
          raise Errors::NetworksNotSet, state: env[:machine].state.short_description unless done
        end
      end
    end
  end
end
