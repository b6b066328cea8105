"""The columns of each kind behind its name; those with a `+` belong to wide output."""

from __future__ import annotations

_WORKLOAD = "+Containers,+Images,+Selector"

COLUMNS = {
    "ConfigMap": "Data,Age",
    "ControllerRevision": "Controller,Revision,Age",
    "ClusterRole": "Created At",
    "ClusterRoleBinding": "Role,Age,+Users,+Groups,+ServiceAccounts",
    "CustomResourceDefinition": "Created At",
    "CronJob": f"Schedule,Timezone,Suspend,Active,Last Schedule,Age,{_WORKLOAD}",
    "DaemonSet": f"Desired,Current,Ready,Up-to-date,Available,Node Selector,Age,{_WORKLOAD}",
    "Deployment": f"Ready,Up-to-date,Available,Age,{_WORKLOAD}",
    "Endpoints": "Endpoints,Age",
    "EndpointSlice": "AddressType,Ports,Endpoints,Age",
    "Event": "Last Seen,Type,Reason,Object,+Subobject,+Source,Message,+First Seen,+Count,+Name",
    "HorizontalPodAutoscaler": "Reference,Targets,MinPods,MaxPods,Replicas,Age",
    "Ingress": "Class,Hosts,Address,Ports,Age",
    "IngressClass": "Controller,Parameters,Age",
    "Job": f"Status,Completions,Duration,Age,{_WORKLOAD}",
    "Lease": "Holder,Age",
    "LimitRange": "Created At",
    "Namespace": "Status,Age",
    "NetworkPolicy": "Pod-Selector,Age",
    "Node": (
        "Status,Roles,Age,Version,+Internal-IP,+External-IP,+OS-Image,+Kernel-Version,+Container-Runtime"
    ),
    "PersistentVolume": (
        "Capacity,Access Modes,Reclaim "
        "Policy,Status,Claim,StorageClass,VolumeAttributesClass,Reason,Age,+VolumeMode"
    ),
    "PersistentVolumeClaim": (
        "Status,Volume,Capacity,Access Modes,StorageClass,VolumeAttributesClass,Age,+VolumeMode"
    ),
    "Pod": "Ready,Status,Restarts,Age,+IP,+Node,+Nominated Node,+Readiness Gates",
    "PodDisruptionBudget": "Min Available,Max Unavailable,Allowed Disruptions,Age",
    "PodTemplate": "Containers,Images,Pod Labels",
    "PriorityClass": "Value,Global-Default,Age,PreemptionPolicy",
    "ReplicaSet": f"Desired,Current,Ready,Age,{_WORKLOAD}",
    "ReplicationController": f"Desired,Current,Ready,Age,{_WORKLOAD}",
    "ResourceQuota": "Request,Limit,Age",
    "Role": "Created At",
    "RoleBinding": "Role,Age,+Users,+Groups,+ServiceAccounts",
    "Secret": "Type,Data,Age",
    "Service": "Type,Cluster-IP,External-IP,Port(s),Age,+Selector",
    "ServiceAccount": "Age",
    "StatefulSet": "Ready,Age,+Containers,+Images",
    "StorageClass": "Provisioner,ReclaimPolicy,VolumeBindingMode,AllowVolumeExpansion,Age",
}
# Types other than string.
TYPES = {
    "ClusterRole": {"Created At": "date"},
    "CronJob": {"Active": "integer", "Suspend": "boolean"},
    "CustomResourceDefinition": {"Created At": "date"},
    "DaemonSet": dict.fromkeys(("Desired", "Current", "Ready", "Up-to-date", "Available"), "integer"),
    "LimitRange": {"Created At": "date"},
    "PodDisruptionBudget": {"Allowed Disruptions": "integer"},
    "PriorityClass": {"Global-Default": "boolean", "Value": "integer"},
    "ReplicaSet": dict.fromkeys(("Desired", "Current", "Ready"), "integer"),
    "ReplicationController": dict.fromkeys(("Desired", "Current", "Ready"), "integer"),
    "Role": {"Created At": "date"},
}
