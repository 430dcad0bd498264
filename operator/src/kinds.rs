//! The kinds of objects that a ChatApp consists of: one line for each. What is watched, found, pruned and asked of the API server
//! follows from this table; the operator's rights in `manifests/platform/operator/rbac.yaml` have to.

use std::borrow::Cow;

use kube::Resource;

/// A row of the table.
struct Row {
    name: &'static str,
    api_version: &'static str,
    plural: &'static str,
    presence: Presence,
    end: End,
}

/// Whether a cluster may do without the kind.
#[derive(PartialEq, Eq)]
enum Presence {
    Always,
    /// It comes with something that has to be installed.
    Optional,
}

/// How an object of ours goes that no plan wants any more.
#[derive(PartialEq, Eq)]
enum End {
    /// It is deleted as soon as the plan neither wants nor keeps it.
    Pruned,
    /// Only a deletion that the plan names.
    Named,
}

macro_rules! kinds {
    ($($kind:ident $api_version:literal $plural:literal $presence:ident $end:ident;)+) => {
        /// A kind of object that may be part of a ChatApp.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum Kind { $($kind),+ }

        impl Kind {
            pub(crate) const ALL: &[Self] = &[$(Self::$kind),+];

            const fn row(self) -> &'static Row {
                match self {
                    $(Self::$kind => &Row {
                        name: stringify!($kind),
                        api_version: $api_version,
                        plural: $plural,
                        presence: Presence::$presence,
                        end: End::$end,
                    }),+
                }
            }
        }
    };
}

kinds! {
    ServiceAccount          "v1"                           "serviceaccounts"          Always   Pruned;
    Service                 "v1"                           "services"                 Always   Pruned;
    ConfigMap               "v1"                           "configmaps"               Always   Pruned;
    Deployment              "apps/v1"                      "deployments"              Always   Pruned;
    Job                     "batch/v1"                     "jobs"                     Always   Named;
    CronJob                 "batch/v1"                     "cronjobs"                 Always   Pruned;
    Pod                     "v1"                           "pods"                     Always   Named;
    Ingress                 "networking.k8s.io/v1"         "ingresses"                Always   Pruned;
    NetworkPolicy           "networking.k8s.io/v1"         "networkpolicies"          Always   Pruned;
    HorizontalPodAutoscaler "autoscaling/v2"               "horizontalpodautoscalers" Always   Pruned;
    PodDisruptionBudget     "policy/v1"                    "poddisruptionbudgets"     Always   Pruned;
    HTTPRoute               "gateway.networking.k8s.io/v1" "httproutes"               Optional Pruned;
    Cluster                 "postgresql.cnpg.io/v1"        "clusters"                 Optional Named;
    Pooler                  "postgresql.cnpg.io/v1"        "poolers"                  Optional Pruned;
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        self.row().name
    }

    pub(crate) const fn api_version(self) -> &'static str {
        self.row().api_version
    }

    pub(crate) const fn plural(self) -> &'static str {
        self.row().plural
    }

    /// Empty for the core group.
    pub(crate) fn group(self) -> &'static str {
        self.api_version()
            .split_once('/')
            .map_or("", |(group, _)| group)
    }

    pub(crate) fn version(self) -> &'static str {
        let api_version = self.api_version();
        api_version
            .split_once('/')
            .map_or(api_version, |(_, version)| version)
    }

    /// Whether the API server may not know it.
    pub(crate) fn is_optional(self) -> bool {
        self.row().presence == Presence::Optional
    }

    pub(crate) fn is_pruned(self) -> bool {
        self.row().end == End::Pruned
    }

    /// Whether pods come of it.
    pub(crate) fn makes_pods(self) -> bool {
        matches!(
            self,
            Self::Deployment | Self::Job | Self::CronJob | Self::Pod | Self::Cluster | Self::Pooler
        )
    }

    /// The kind of that name; names are unique in the table.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The kind of a type.
    pub(crate) fn of<K: Resource<DynamicType = ()>>() -> Option<Self> {
        let name: Cow<'_, str> = K::kind(&());
        Self::named(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_agrees_with_the_types() {
        fn agrees<K: Resource<DynamicType = ()>>() {
            let kind = Kind::of::<K>().expect("a row");
            assert_eq!(kind.api_version(), K::api_version(&()));
            assert_eq!(
                (kind.group(), kind.version()),
                (&*K::group(&()), &*K::version(&()))
            );
            assert_eq!(kind.plural(), K::plural(&()));
        }
        use k8s_openapi::api;
        agrees::<api::core::v1::ServiceAccount>();
        agrees::<api::core::v1::Service>();
        agrees::<api::core::v1::ConfigMap>();
        agrees::<api::core::v1::Pod>();
        agrees::<api::apps::v1::Deployment>();
        agrees::<api::batch::v1::Job>();
        agrees::<api::batch::v1::CronJob>();
        agrees::<api::networking::v1::Ingress>();
        agrees::<api::networking::v1::NetworkPolicy>();
        agrees::<api::autoscaling::v2::HorizontalPodAutoscaler>();
        agrees::<api::policy::v1::PodDisruptionBudget>();
    }

    #[test]
    fn what_holds_data_or_runs_is_never_pruned() {
        for kind in [Kind::Cluster, Kind::Pod, Kind::Job] {
            assert!(!kind.is_pruned(), "{kind:?}");
        }
    }
}
