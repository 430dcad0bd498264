//! What CloudNativePG, Kubernetes' own controllers and those of routes make of what is there.

use super::*;

impl World {
    /// The other controllers bring all that is there to a good end.
    pub(super) fn controllers_act(&mut self) {
        let pods = self.observed.pods_of(Component::Pooler);
        for pod in pods {
            self.observed.remove(Kind::Pod, &pod.name_any());
        }
        for kind in [
            Kind::Cluster,
            Kind::Pooler,
            Kind::Job,
            Kind::HorizontalPodAutoscaler,
            Kind::Deployment,
            Kind::Ingress,
            Kind::HTTPRoute,
        ] {
            let objects: Vec<Value> = self.observed.found(kind).cloned().collect();
            for object in objects {
                self.controller_acts(kind, &object);
            }
        }
    }

    fn controller_acts(&mut self, kind: Kind, object: &Value) {
        let name = object["metadata"]["name"].as_str().expect("a name");
        let spec = &object["spec"];
        let is_true = |type_: &str| json!({"type": type_, "status": "True", "observedGeneration": object["metadata"]["generation"]});
        let status = match kind {
            Kind::Cluster => {
                let sleeps = object["metadata"]["annotations"]["cnpg.io/hibernation"] == "on";
                let conditions = if sleeps {
                    json!([is_true("cnpg.io/hibernation")])
                } else {
                    json!([is_true("Ready")])
                };
                json!({"readyInstances": spec["instances"], "image": spec["imageName"], "conditions": conditions})
            }
            Kind::Pooler => {
                for number in 0..spec["instances"].as_u64().expect("a number") {
                    let mut metadata = spec["template"]["metadata"].clone();
                    metadata["name"] = json!(format!("{name}-{number}"));
                    let status = json!({"conditions": [is_true("Ready")]});
                    self.observed
                        .put(Kind::Pod, json!({"metadata": metadata, "status": status}));
                }
                return;
            }
            Kind::Job if object["status"].is_null() => json!({"conditions": [is_true("Complete")]}),
            Kind::HorizontalPodAutoscaler => return self.scales(spec),
            Kind::Deployment => return self.rolls_out(name),
            Kind::Ingress => json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}),
            Kind::HTTPRoute => {
                let parents = spec["parentRefs"].as_array().expect("parents").iter();
                let accepted = [is_true("Accepted"), is_true("ResolvedRefs")];
                let parents: Vec<Value> = parents
                    .map(|parent| json!({"parentRef": parent, "conditions": accepted}))
                    .collect();
                json!({ "parents": parents })
            }
            _ => return,
        };
        self.object(kind, name)["status"] = status;
    }

    /// As an autoscaler without load: its Deployment has as many pods as it may have.
    fn scales(&mut self, autoscaler: &Value) {
        let name = autoscaler["scaleTargetRef"]["name"]
            .as_str()
            .expect("a name");
        let number = |field: &str| autoscaler[field].as_i64().expect("a number");
        let Some(deployment) = self.observed.value_mut(Kind::Deployment, name) else {
            return;
        };
        let present = deployment["spec"]["replicas"].as_i64().expect("a number");
        let wanted = present.clamp(number("minReplicas"), number("maxReplicas"));
        if present != 0 && wanted != present {
            deployment["spec"]["replicas"] = json!(wanted);
            let generation = deployment["metadata"]["generation"].as_i64().expect("one");
            deployment["metadata"]["generation"] = json!(generation + 1);
        }
    }

    /// The ConfigMap that the spec names is there. Each says something else.
    pub(super) fn has_content_of(&mut self, app: &ChatApp) {
        let content = app.spec.content.as_ref().map(|content| {
            let name = &content.config_map_ref.name;
            json!({"metadata": {"name": name}, "data": {"content.yaml": format!("greetings: [{name}]")}})
        });
        self.observed.content = content.and_then(|content| serde_json::from_value(content).ok());
    }

    /// Everything comes up, and the last pass has nothing left to do.
    pub(super) fn settle(&mut self, app: &ChatApp) -> Plan {
        self.has_content_of(app);
        let mut last = self.pass(app);
        for _ in 0..16 {
            self.controllers_act();
            let plan = self.pass(app);
            let is_done = (&plan.children, &plan.verdicts) == (&last.children, &last.verdicts)
                && plan.deletions.is_empty();
            last = plan;
            if is_done {
                break;
            }
        }
        last
    }
}
