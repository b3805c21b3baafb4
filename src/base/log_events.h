/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/*
 * Every event that the programs log: id, meaning, what to do. Sorted by id; printed as
 * docs/generated/events.md. Rooms add their rows here.
 */
/* clang-format off */
#define LOG_EVENTS(X) \
	X("agent.authority.ended", "nothing is delegated to this node any more; its issuer is removed", "nothing") \
	X("agent.authority.fresh", "the node has a fresh issuer of certificates for its tenants' names", "nothing") \
	X("agent.authority.issued", "the master did not answer: the node issued a certificate itself", "nothing: the master is told when it is back") \
	X("agent.authority.kept", "what is delegated to the node could not be asked, or its issuer not renewed; it is tried again", "look at the master, if it lasts") \
	X("agent.certificate.fresh", "services of an instance have a fresh certificate", "nothing") \
	X("agent.certificate.kept", "certificates of an instance could not be renewed; the old ones stay and it is tried again", "read the text") \
	X("agent.child.unasked", "an instance could not ask for its children", "nothing: it goes on with what it knows and asks again") \
	X("agent.crl.refused", "the cloud's list of revoked certificates does not hold; it is passed over", "ask the operator of the master") \
	X("agent.identity.kept", "the node's certificate could not be renewed; it is tried again", "look at the master; a certificate that ended is renewed for 30 days more") \
	X("agent.identity.renewed", "the node has a fresh certificate", "nothing") \
	X("agent.identity.roots", "a renewal brought roots that no known root vouches for; they were not taken", "do not trust this master: ask the operator for the cloud's fingerprint") \
	X("agent.instance.unlisted", "the master does not list an instance that runs here", "nothing is removed; ask the operator of the master") \
	X("agent.link.answer", "an answer of the master could not be used", "the request is repeated; look at the text") \
	X("agent.link.failed", "a request to the master failed (debug)", "nothing") \
	X("agent.link.lost", "the master does not answer", "the node works on alone; look at the master and the network") \
	X("agent.link.status", "the master answered a request with an error (debug)", "nothing") \
	X("agent.master.refused", "a certificate shown for a master does not hold", "ask the operator of the master; somebody may pose as it") \
	X("agent.meter.failed", "usage could not be read", "nothing is lost: counters are read again; look at the text") \
	X("agent.outbox.kept", "usage or promise results could not be delivered", "they are kept and sent again") \
	X("agent.outbox.refused", "the master called results or usage invalid; they were dropped", "report it: node and master disagree") \
	X("agent.promise.repair", "a broken promise had its service restarted", "look at the service's log if it happens again") \
	X("agent.release.built", "a release is ready on this node", "nothing") \
	X("agent.release.failed", "a release could not be built or removed; it is tried again", "read the text: it names the package or command") \
	X("agent.release.refused", "a release cannot be taken on", "supply fewer releases to this node") \
	X("agent.release.removed", "a release was removed from this node", "nothing") \
	X("agent.report.barred", "the master refuses the node itself: its report waits, and is sent again", "look why: a key that is revoked, a clock; hoc node status") \
	X("agent.report.refused", "the master refused a report", "the object was probably destroyed meanwhile") \
	X("agent.secret.foreign", "what another instance keeps secret is not sealed to this node's key", "nothing, if it is sealed anew soon; else share it again") \
	X("agent.secret.unread", "a reader's key does not prove itself: a secret is published without him", "renew his certificate, or remove the reader") \
	X("agent.service.died", "a service ended by itself and is started again", "look at its log: hoc log") \
	X("agent.spec.unreadable", "the kept specification of an instance cannot be read", "nothing: it is made again") \
	X("agent.state.backwards", "the master knows less than it did: it was put back to an old state", "the node changes nothing until it has caught up; join again to accept the old state") \
	X("agent.state.forged", "an answer is not what the master signed for this request: changed on the way, or for another", "look at proxies and caches before the master") \
	X("agent.state.replayed", "an answer is one to an earlier request", "look at proxies and caches before the master") \
	X("agent.state.stranger", "an answer is signed by a key that no master of this cloud has", "ask the operator of the master; somebody may pose as it") \
	X("agent.state.unsigned", "an answer carries no signature of the master", "look at proxies and caches before the master") \
	X("agent.status.failed", "the status socket could not serve a reader", "nothing; ask again") \
	X("agent.step.done", "a step of a partition is over (debug)", "nothing") \
	X("agent.step.failed", "a step of a partition failed; it is tried again later", "read the text") \
	X("agent.store.failed", "the node's database could not be written", "look at the disk") \
	X("agent.supervisor.lost", "the supervisor does not answer", "it is started again; services keep running") \
	X("master.acme.asked", "a challenge of an ACME client was validated, or not (debug)", "nothing") \
	X("master.certificate.made", "the master made its own certificate anew", "nothing") \
	X("master.chain.broken", "the audit chain does not fit together", "keep a copy of the database and find out who changed it") \
	X("master.issuer.ending", "an authority's issuer comes to its end and is not rolled over by the master itself", "read the text: sign another where the root is (hoc ca request-issuer), or roll the root over") \
	X("master.issuer.rolled", "the master rolled an authority's issuer over: the old one comes to its end", "nothing") \
	X("master.job.failed", "a job of the master failed; it is tried again", "read the text") \
	X("master.ready", "the master listens at the address", "nothing") \
	X("program.failed", "a program ended because of an error", "read the text; the exit code tells its kind") \
	X("program.started", "a program began its work", "nothing") \
	X("program.stopped", "a program ended as asked", "nothing") \
	X("supervise.log.failed", "a service's log could not be cut to its size", "look at the file and its directory") \
	X("supervise.ready", "the supervisor listens; adopted counts the services that ran already", "nothing") \
	X("supervise.standby.failed", "no spare container could be made: the next respawn is a normal one", "read the text") \
	X("supervise.state.failed", "the list of wanted services could not be written", "free disk space; the requests failed and may be repeated")
/* clang-format on */
