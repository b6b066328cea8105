"""Field numbers of the protobuf messages that clients send, as in the generated.proto files of k8s.io/api.

Message: NUMBER NAME TYPE, ... Types: s string, i integer, b boolean, B bytes, Q Quantity, I IntOrString,
T Time, - not read, anything else a message; [ a list of, { a map to, ^ its fields are the outer one's own.
A type that ends in * is a pointer in Go: its zero value counts.
"""

from __future__ import annotations

MESSAGES = """
ObjectMeta: 1 name s, 2 generateName s, 3 namespace s, 4 selfLink s, 5 uid s, 6 resourceVersion s,
    7 generation i, 8 creationTimestamp T, 9 deletionTimestamp T, 10 deletionGracePeriodSeconds i*,
    11 labels {s, 12 annotations {s, 13 ownerReferences [OwnerReference, 14 finalizers [s,
    17 managedFields -
OwnerReference: 1 kind s, 3 name s, 4 uid s, 5 apiVersion s, 6 controller b*, 7 blockOwnerDeletion b*
LabelSelector: 1 matchLabels {s, 2 matchExpressions [LabelSelectorRequirement
LabelSelectorRequirement: 1 key s, 2 operator s, 3 values [s
DeleteOptions: 1 gracePeriodSeconds i*, 2 preconditions Preconditions*, 3 orphanDependents b*,
    4 propagationPolicy s*, 5 dryRun [s
Preconditions: 1 uid s*, 2 resourceVersion s*
ConfigMap: 1 metadata ObjectMeta, 2 data {s, 3 binaryData {B, 4 immutable b*
Secret: 1 metadata ObjectMeta, 2 data {B, 3 type s, 4 stringData {s, 5 immutable b*
Namespace: 1 metadata ObjectMeta, 2 spec NamespaceSpec, 3 status -
NamespaceSpec: 1 finalizers [s
ServiceAccount: 1 metadata ObjectMeta, 2 secrets [ObjectReference, 3 imagePullSecrets [LocalObjectReference,
    4 automountServiceAccountToken b*
ObjectReference: 1 kind s, 2 namespace s, 3 name s, 4 uid s, 5 apiVersion s, 6 resourceVersion s,
    7 fieldPath s
LocalObjectReference: 1 name s
Binding: 1 metadata ObjectMeta, 2 target ObjectReference
Service: 1 metadata ObjectMeta, 2 spec ServiceSpec, 3 status -
ServiceSpec: 1 ports [ServicePort, 2 selector {s, 3 clusterIP s, 4 type s, 5 externalIPs [s,
    7 sessionAffinity s, 8 loadBalancerIP s, 9 loadBalancerSourceRanges [s, 10 externalName s,
    11 externalTrafficPolicy s, 12 healthCheckNodePort i, 13 publishNotReadyAddresses b,
    14 sessionAffinityConfig SessionAffinityConfig*, 17 ipFamilyPolicy s*, 18 clusterIPs [s,
    19 ipFamilies [s, 20 allocateLoadBalancerNodePorts b*, 21 loadBalancerClass s*,
    22 internalTrafficPolicy s*, 23 trafficDistribution s*
ServicePort: 1 name s, 2 protocol s, 3 port i, 4 targetPort I, 5 nodePort i, 6 appProtocol s*
SessionAffinityConfig: 1 clientIP ClientIPConfig*
ClientIPConfig: 1 timeoutSeconds i*
Pod: 1 metadata ObjectMeta, 2 spec PodSpec, 3 status -
PodTemplateSpec: 1 metadata ObjectMeta, 2 spec PodSpec
PodSpec: 1 volumes [Volume, 2 containers [Container, 3 restartPolicy s, 4 terminationGracePeriodSeconds i*,
    5 activeDeadlineSeconds i*, 6 dnsPolicy s, 7 nodeSelector {s, 8 serviceAccountName s,
    9 serviceAccount s, 10 nodeName s, 11 hostNetwork b, 12 hostPID b, 13 hostIPC b,
    14 securityContext PodSecurityContext*, 15 imagePullSecrets [LocalObjectReference, 16 hostname s,
    17 subdomain s, 18 affinity Affinity*, 19 schedulerName s, 20 initContainers [Container,
    21 automountServiceAccountToken b*,
    22 tolerations [Toleration, 23 hostAliases [HostAlias, 24 priorityClassName s, 25 priority i*,
    27 shareProcessNamespace b*, 28 readinessGates [ReadinessGate, 29 runtimeClassName s*,
    30 enableServiceLinks b*, 31 preemptionPolicy s*,
    33 topologySpreadConstraints [SpreadConstraint, 35 setHostnameAsFQDN b*, 37 hostUsers b*
ReadinessGate: 1 conditionType s
SpreadConstraint: 1 maxSkew i, 2 topologyKey s, 3 whenUnsatisfiable s, 4 labelSelector LabelSelector*,
    5 minDomains i*, 6 nodeAffinityPolicy s*, 7 nodeTaintsPolicy s*, 8 matchLabelKeys [s
Affinity: 1 nodeAffinity NodeAffinity*, 2 podAffinity PodAffinity*, 3 podAntiAffinity PodAffinity*
NodeAffinity: 1 requiredDuringSchedulingIgnoredDuringExecution NodeSelector*,
    2 preferredDuringSchedulingIgnoredDuringExecution [PreferredNodes
NodeSelector: 1 nodeSelectorTerms [NodeTerm
NodeTerm: 1 matchExpressions [LabelSelectorRequirement, 2 matchFields [LabelSelectorRequirement
PreferredNodes: 1 weight i, 2 preference NodeTerm
PodAffinity: 1 requiredDuringSchedulingIgnoredDuringExecution [AffinityTerm,
    2 preferredDuringSchedulingIgnoredDuringExecution [PreferredPods
AffinityTerm: 1 labelSelector LabelSelector*, 2 namespaces [s, 3 topologyKey s,
    4 namespaceSelector LabelSelector*, 5 matchLabelKeys [s, 6 mismatchLabelKeys [s
PreferredPods: 1 weight i, 2 podAffinityTerm AffinityTerm
PodSecurityContext: 2 runAsUser i*, 3 runAsNonRoot b*, 4 supplementalGroups [i, 5 fsGroup i*,
    6 runAsGroup i*, 9 fsGroupChangePolicy s*
Toleration: 1 key s, 2 operator s, 3 value s, 4 effect s, 5 tolerationSeconds i*
HostAlias: 1 ip s, 2 hostnames [s
Container: 1 name s, 2 image s, 3 command [s, 4 args [s, 5 workingDir s, 6 ports [ContainerPort,
    7 env [EnvVar, 8 resources ResourceRequirements, 9 volumeMounts [VolumeMount, 10 livenessProbe Probe*,
    11 readinessProbe Probe*, 12 lifecycle Lifecycle*, 13 terminationMessagePath s, 14 imagePullPolicy s,
    15 securityContext SecurityContext*, 16 stdin b, 17 stdinOnce b, 18 tty b, 19 envFrom [EnvFromSource,
    20 terminationMessagePolicy s, 22 startupProbe Probe*, 24 restartPolicy s*
ContainerPort: 1 name s, 2 hostPort i, 3 containerPort i, 4 protocol s, 5 hostIP s
EnvVar: 1 name s, 2 value s, 3 valueFrom EnvVarSource*
EnvVarSource: 1 fieldRef ObjectFieldSelector*, 2 resourceFieldRef ResourceFieldSelector*,
    3 configMapKeyRef KeySelector*, 4 secretKeyRef KeySelector*
ObjectFieldSelector: 1 apiVersion s, 2 fieldPath s
ResourceFieldSelector: 1 containerName s, 2 resource s, 3 divisor Q
KeySelector: 1 - ^LocalObjectReference, 2 key s, 3 optional b*
EnvFromSource: 1 prefix s, 2 configMapRef EnvSource*, 3 secretRef EnvSource*
EnvSource: 1 - ^LocalObjectReference, 2 optional b*
ResourceRequirements: 1 limits {Q, 2 requests {Q
VolumeMount: 1 name s, 2 readOnly b, 3 mountPath s, 4 subPath s, 5 mountPropagation s*, 6 subPathExpr s,
    7 recursiveReadOnly s*
Probe: 1 - ^Handler, 2 initialDelaySeconds i, 3 timeoutSeconds i, 4 periodSeconds i, 5 successThreshold i,
    6 failureThreshold i, 7 terminationGracePeriodSeconds i*
Handler: 1 exec ExecAction*, 2 httpGet HTTPGetAction*, 3 tcpSocket TCPSocketAction*, 4 grpc GRPCAction*
LifecycleHandler: 1 exec ExecAction*, 2 httpGet HTTPGetAction*, 3 tcpSocket TCPSocketAction*,
    4 sleep SleepAction*
Lifecycle: 1 postStart LifecycleHandler*, 2 preStop LifecycleHandler*
ExecAction: 1 command [s
HTTPGetAction: 1 path s, 2 port I, 3 host s, 4 scheme s, 5 httpHeaders [HTTPHeader
HTTPHeader: 1 name s, 2 value s
TCPSocketAction: 1 port I, 2 host s
GRPCAction: 1 port i, 2 service s*
SleepAction: 1 seconds i
SecurityContext: 1 capabilities Capabilities*, 2 privileged b*, 4 runAsUser i*, 5 runAsNonRoot b*,
    6 readOnlyRootFilesystem b*, 7 allowPrivilegeEscalation b*, 8 runAsGroup i*
Capabilities: 1 add [s, 2 drop [s
Volume: 1 name s, 2 - ^VolumeSource
VolumeSource: 1 hostPath HostPath*, 2 emptyDir EmptyDir*, 6 secret SecretVolume*,
    10 persistentVolumeClaim ClaimVolume*, 16 downwardAPI DownwardVolume*, 19 configMap ConfigMapVolume*,
    26 projected ProjectedVolume*
DownwardVolume: 1 items [DownwardFile, 2 defaultMode i*
DownwardFile: 1 path s, 2 fieldRef ObjectFieldSelector*, 3 resourceFieldRef ResourceFieldSelector*, 4 mode i*
ProjectedVolume: 1 sources [Projection, 2 defaultMode i*
Projection: 1 secret ObjectProjection*, 2 downwardAPI DownwardProjection*, 3 configMap ObjectProjection*,
    4 serviceAccountToken TokenProjection*
ObjectProjection: 1 - ^LocalObjectReference, 2 items [KeyToPath, 4 optional b*
DownwardProjection: 1 items [DownwardFile
TokenProjection: 1 audience s, 2 expirationSeconds i*, 3 path s
HostPath: 1 path s, 2 type s*
EmptyDir: 1 medium s, 2 sizeLimit Q
SecretVolume: 1 secretName s, 2 items [KeyToPath, 3 defaultMode i*, 4 optional b*
ConfigMapVolume: 1 - ^LocalObjectReference, 2 items [KeyToPath, 3 defaultMode i*, 4 optional b*
KeyToPath: 1 key s, 2 path s, 3 mode i*
ClaimVolume: 1 claimName s, 2 readOnly b
Deployment: 1 metadata ObjectMeta, 2 spec DeploymentSpec, 3 status -
DeploymentSpec: 1 replicas i*, 2 selector LabelSelector*, 3 template PodTemplateSpec,
    4 strategy DeploymentStrategy, 5 minReadySeconds i, 6 revisionHistoryLimit i*, 7 paused b,
    9 progressDeadlineSeconds i*
DeploymentStrategy: 1 type s, 2 rollingUpdate RollingUpdateDeployment*
RollingUpdateDeployment: 1 maxUnavailable I, 2 maxSurge I
Job: 1 metadata ObjectMeta, 2 spec JobSpec, 3 status -
JobSpec: 1 parallelism i*, 2 completions i*, 3 activeDeadlineSeconds i*, 4 selector LabelSelector*,
    5 manualSelector b*, 6 template PodTemplateSpec, 7 backoffLimit i*, 8 ttlSecondsAfterFinished i*,
    9 completionMode s*, 10 suspend b*
CronJob: 1 metadata ObjectMeta, 2 spec CronJobSpec, 3 status -
CronJobSpec: 1 schedule s, 2 startingDeadlineSeconds i*, 3 concurrencyPolicy s, 4 suspend b*,
    5 jobTemplate JobTemplateSpec, 6 successfulJobsHistoryLimit i*, 7 failedJobsHistoryLimit i*,
    8 timeZone s*
JobTemplateSpec: 1 metadata ObjectMeta, 2 spec JobSpec
HorizontalPodAutoscaler: 1 metadata ObjectMeta, 2 spec HorizontalPodAutoscalerSpec, 3 status -
HorizontalPodAutoscalerSpec: 1 scaleTargetRef ScaleTarget, 2 minReplicas i*, 3 maxReplicas i,
    4 metrics [MetricSpec
HorizontalPodAutoscalerV1: 1 metadata ObjectMeta, 2 spec HorizontalPodAutoscalerSpecV1, 3 status -
HorizontalPodAutoscalerSpecV1: 1 scaleTargetRef ScaleTarget, 2 minReplicas i*, 3 maxReplicas i,
    4 targetCPUUtilizationPercentage i*
ScaleTarget: 1 kind s, 2 name s, 3 apiVersion s
MetricSpec: 1 type s, 4 resource ResourceMetric*
ResourceMetric: 1 name s, 2 target MetricTarget
MetricTarget: 1 type s, 2 value Q, 3 averageValue Q, 4 averageUtilization i*
Scale: 1 metadata ObjectMeta, 2 spec ScaleSpec, 3 status -
ScaleSpec: 1 replicas i
Role: 1 metadata ObjectMeta, 2 rules [PolicyRule
ClusterRole: 1 metadata ObjectMeta, 2 rules [PolicyRule, 3 aggregationRule AggregationRule*
AggregationRule: 1 clusterRoleSelectors [LabelSelector
PolicyRule: 1 verbs [s, 2 apiGroups [s, 3 resources [s, 4 resourceNames [s, 5 nonResourceURLs [s
RoleBinding: 1 metadata ObjectMeta, 2 subjects [Subject, 3 roleRef RoleRef
ClusterRoleBinding: 1 metadata ObjectMeta, 2 subjects [Subject, 3 roleRef RoleRef
Subject: 1 kind s, 2 apiGroup s, 3 name s, 4 namespace s
RoleRef: 1 apiGroup s, 2 kind s, 3 name s
PodDisruptionBudget: 1 metadata ObjectMeta, 2 spec PodDisruptionBudgetSpec, 3 status -
PodDisruptionBudgetSpec: 1 minAvailable I, 2 selector LabelSelector*, 3 maxUnavailable I,
    4 unhealthyPodEvictionPolicy s*
PriorityClass: 1 metadata ObjectMeta, 2 value i, 3 globalDefault b, 4 description s, 5 preemptionPolicy s*
ResourceQuota: 1 metadata ObjectMeta, 2 spec ResourceQuotaSpec, 3 status -
ResourceQuotaSpec: 1 hard {Q, 2 scopes [s
Ingress: 1 metadata ObjectMeta, 2 spec IngressSpec, 3 status -
IngressSpec: 1 defaultBackend IngressBackend*, 2 tls [IngressTLS, 3 rules [IngressRule,
    4 ingressClassName s*
IngressTLS: 1 hosts [s, 2 secretName s
IngressRule: 1 host s, 2 - ^IngressRuleValue
IngressRuleValue: 1 http IngressHTTP*
IngressHTTP: 1 paths [IngressPath
IngressPath: 1 path s, 2 backend IngressBackend, 3 pathType s*
IngressBackend: 4 service IngressService*
IngressService: 1 name s, 2 port IngressPort
IngressPort: 1 name s, 2 number i
Eviction: 1 metadata ObjectMeta, 2 deleteOptions DeleteOptions*
SelfSubjectAccessReview: 1 metadata ObjectMeta, 2 spec AccessReviewSpec, 3 status -
SubjectAccessReview: 1 metadata ObjectMeta, 2 spec AccessReviewSpec, 3 status -
LocalSubjectAccessReview: 1 metadata ObjectMeta, 2 spec AccessReviewSpec, 3 status -
AccessReviewSpec: 1 resourceAttributes ResourceAttributes*, 2 nonResourceAttributes NonResourceAttributes*,
    3 user s, 4 groups [s, 6 uid s
ResourceAttributes: 1 namespace s, 2 verb s, 3 group s, 4 version s, 5 resource s, 6 subresource s, 7 name s
NonResourceAttributes: 1 path s, 2 verb s
SelfSubjectRulesReview: 1 metadata ObjectMeta, 2 spec SelfSubjectRulesReviewSpec, 3 status -
SelfSubjectRulesReviewSpec: 1 namespace s
SelfSubjectReview: 1 metadata ObjectMeta, 2 status -
TokenReview: 1 metadata ObjectMeta, 2 spec TokenReviewSpec, 3 status -
TokenReviewSpec: 1 token s, 2 audiences [s
TokenRequest: 1 metadata ObjectMeta, 2 spec TokenRequestSpec, 3 status -
TokenRequestSpec: 1 audiences [s, 3 boundObjectRef BoundObjectReference*, 4 expirationSeconds i*
BoundObjectReference: 1 kind s, 2 apiVersion s, 3 name s, 4 uid s
"""
