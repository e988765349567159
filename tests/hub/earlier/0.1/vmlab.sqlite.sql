BEGIN TRANSACTION;
CREATE TABLE course_version (
	id INTEGER NOT NULL, 
	name VARCHAR(40) NOT NULL, 
	version INTEGER NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	title_en VARCHAR(200) NOT NULL, 
	title_fr VARCHAR(200) NOT NULL, 
	steps JSON NOT NULL, 
	published FLOAT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name, version)
);
INSERT INTO "course_version" VALUES(1,'first-steps',1,'e7bb2787a907a6bfcb5ddb5393be0d9761f5577c0af92d55cd417a017c354bc2','First steps','Premiers pas','[{"exercise": "01-who", "exercise_en": "Who am I?", "exercise_fr": "Qui suis-je ?", "step": "user", "title_en": "Your user", "title_fr": "Votre utilisateur"}, {"exercise": "01-who", "exercise_en": "Who am I?", "exercise_fr": "Qui suis-je ?", "step": "home-disk", "title_en": "Your disk", "title_fr": "Votre disque"}]',1.79598494099218630791e+09);
CREATE TABLE language (
	user VARCHAR(255) NOT NULL, 
	language VARCHAR(10) NOT NULL, 
	PRIMARY KEY (user)
);
INSERT INTO "language" VALUES('ada','fr');
CREATE TABLE meta (
	"key" VARCHAR(40) NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('schema','3');
CREATE TABLE phase_duration (
	id INTEGER NOT NULL, 
	"key" VARCHAR(200) NOT NULL, 
	phase VARCHAR(40) NOT NULL, 
	seconds FLOAT NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "phase_duration" VALUES(1,'fake//desk/auto/','image',8.55780017445795238018e-05);
INSERT INTO "phase_duration" VALUES(2,'fake//desk/auto/','disk',3.67049979104194790124e-05);
INSERT INTO "phase_duration" VALUES(3,'fake//desk/auto/','volume',4.00979857000493211671e-01);
INSERT INTO "phase_duration" VALUES(4,'fake//desk/auto/','power',9.41600010264664888381e-05);
INSERT INTO "phase_duration" VALUES(5,'fake//desk/auto/','boot',3.13969976559747e-05);
INSERT INTO "phase_duration" VALUES(6,'fake//desk/auto/','identity',2.49270015046931803226e-05);
INSERT INTO "phase_duration" VALUES(7,'fake//desk/auto/','keys',2.75610000244341790676e-05);
INSERT INTO "phase_duration" VALUES(8,'fake//desk/auto/','network',3.17369995173066854476e-05);
INSERT INTO "phase_duration" VALUES(9,'fake//desk/auto/','mounts',2.3184999008663e-05);
INSERT INTO "phase_duration" VALUES(10,'fake//desk/auto/','exercises',2.14419997064396739006e-05);
INSERT INTO "phase_duration" VALUES(11,'fake//desk/auto/','server',1.67730670000310055911e-02);
CREATE TABLE receipt (
	id INTEGER NOT NULL, 
	user VARCHAR(255) NOT NULL, 
	server VARCHAR(255) NOT NULL, 
	course VARCHAR(40) NOT NULL, 
	version INTEGER NOT NULL, 
	at FLOAT NOT NULL, 
	kept JSON NOT NULL, 
	obstacles JSON NOT NULL, 
	refused TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (user, server, course, version)
);
CREATE TABLE step_result (
	id INTEGER NOT NULL, 
	user VARCHAR(255) NOT NULL, 
	server VARCHAR(255) NOT NULL, 
	course VARCHAR(40) NOT NULL, 
	exercise VARCHAR(100) NOT NULL, 
	step VARCHAR(40) NOT NULL, 
	attempts INTEGER NOT NULL, 
	first_passed FLOAT, 
	last_at FLOAT NOT NULL, 
	last_passed BOOLEAN NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (user, server, course, exercise, step)
);
INSERT INTO "step_result" VALUES(1,'ada','','first-steps','01-who','user',1,1.79598494271878075592e+09,1.79598494271878075592e+09,1);
CREATE TABLE volume (
	name VARCHAR(100) NOT NULL, 
	owner VARCHAR(255) NOT NULL, 
	server VARCHAR(255) NOT NULL, 
	size_mib INTEGER NOT NULL, 
	created FLOAT NOT NULL, 
	holder VARCHAR(100) NOT NULL, 
	held_since FLOAT NOT NULL, 
	quarantined_at FLOAT, 
	purge_after FLOAT, 
	needs_grow BOOLEAN NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "volume" VALUES('home-ada-81a676eb2fa4','ada','',1024,1.79598494163989067084e+09,'desk-ada-81a676eb2fa4',1.79598494170022773743e+09,NULL,NULL,0);
INSERT INTO "volume" VALUES('home-bob-ac6515ad1667','bob','',1024,1.79598494242538595194e+09,'',0.0,NULL,NULL,0);
CREATE INDEX step_result_course ON step_result (course);
CREATE INDEX phase_duration_key ON phase_duration ("key", phase);
CREATE INDEX volume_holder ON volume (holder);
COMMIT;
